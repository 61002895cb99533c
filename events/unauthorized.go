package events

// TypeUnauthorized says that the upstream rejected the workload's current
// credential. It is an edge: one event, not one for every 401. A proxy that was
// restarted may say it once more for the same death, and it is repeated every
// few minutes, with a new id, while the upstream goes on rejecting.
//
// Data: Observation with Credential, Request, Response, Rejections, FirstSeen.
const TypeUnauthorized = "auth.unauthorized"
