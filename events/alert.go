package events

import "encoding/json"

// What an alert says. The type of its CloudEvent is "alert." and the kind.
const (
	KindOpened   = "opened"
	KindResolved = "resolved"
	KindReminder = "reminder"
	KindDigest   = "digest"
	KindExpiring = "expiring" // a warning: the credential still works
	KindTest     = "test"
)

// The types of what a webhook receiver gets. They are not published on the bus.
const (
	TypeAlertOpened   = "alert." + KindOpened
	TypeAlertResolved = "alert." + KindResolved
	TypeAlertReminder = "alert." + KindReminder
	TypeAlertDigest   = "alert." + KindDigest
	TypeAlertExpiring = "alert." + KindExpiring
	TypeAlertTest     = "alert." + KindTest
)

// Alert is the data of the CloudEvent that a webhook receiver gets. The event's
// id is the delivery id: the same on every attempt, so a receiver that keeps it
// can ignore a repeated one.
type Alert struct {
	Kind      string   `json:"kind"`
	Receiver  string   `json:"receiver"`
	Title     string   `json:"title"`
	Text      string   `json:"text"`
	Workloads []Record `json:"workloads"` // always an array, of none in a test message
}

// MarshalJSON writes an array for no workloads too.
func (a Alert) MarshalJSON() ([]byte, error) {
	type plain Alert
	if a.Workloads == nil {
		a.Workloads = []Record{}
	}
	return json.Marshal(plain(a))
}
