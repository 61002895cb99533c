package events

// TypeAuthorized says that the upstream accepted the workload's credential: for
// the first time, or again after it rejected the same class of request.
//
// Data: Observation with Credential, Request and Response.
const TypeAuthorized = "auth.authorized"
