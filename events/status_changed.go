package events

// TypeStatusChanged says that a workload's status changed. The data is the whole
// Record, and the event is where the record is stored: what is recorded is
// announced, once.
const TypeStatusChanged = "status.changed"
