package events

// TypeAlertFailed says that a receiver was given up on for one message. Data:
// Receipt with Error.
const TypeAlertFailed = "alert.failed"
