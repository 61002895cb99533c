package events

// The types of what the notifier publishes. The data is a [Receipt].
const (
	// TypeAlertDelivered says that a receiver accepted a message.
	TypeAlertDelivered = "alert.delivered"

	// TypeAlertFailed says that the notifier gave up on a receiver for one message;
	// the receipt has an Error.
	TypeAlertFailed = "alert.failed"
)

// Receipt is the data of alert.delivered and alert.failed: what became of one
// message to one receiver.
type Receipt struct {
	Receiver   string `json:"receiver"`
	DeliveryID string `json:"delivery_id"` // the same on every attempt of one message
	Kind       string `json:"kind"`        // opened, resolved, reminder, digest, test
	Incident   string `json:"incident,omitempty"`
	Workload   string `json:"workload,omitempty"`
	Attempts   int    `json:"attempts"`
	DurationMS int64  `json:"duration_ms"` // of the last attempt
	StatusCode int    `json:"status_code,omitempty"`
	Error      string `json:"error,omitempty"`  // without secrets
	Output     string `json:"output,omitempty"` // the beginning of what a command printed
}
