package events

// TypeStatusUpdated carries a new Record of the same status: a count grew, a
// credential was replaced by another unverified one, a scope was found missing.
// The current record of a workload is the newest event of status.*.<workload>.
const TypeStatusUpdated = "status.updated"
