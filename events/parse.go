package events

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
)

// ParseObservation returns the data of an auth.* event.
func ParseObservation(e event.Event) (Observation, error) {
	o, err := parse[Observation](e, "auth.")
	if err == nil && o.Workload != e.Subject() {
		err = fmt.Errorf("%w: the data is about workload %q, the subject is %q", ErrInvalid, CleanText(o.Workload, 64), e.Subject())
	}
	return o, err
}

// ParseStatus returns the record in a status.changed or status.updated event.
func ParseStatus(e event.Event) (Record, error) {
	r, err := parse[Record](e, "status.")
	if err == nil && r.Workload != e.Subject() {
		err = fmt.Errorf("%w: the data is about workload %q, the subject is %q", ErrInvalid, CleanText(r.Workload, 64), e.Subject())
	}
	return r, err
}

// ParseReceipt returns the data of alert.delivered and alert.failed.
func ParseReceipt(e event.Event) (Receipt, error) { return parse[Receipt](e, "alert.") }

// ParseAlert returns the data of what a webhook receiver gets.
func ParseAlert(e event.Event) (Alert, error) { return parse[Alert](e, "alert.") }

func parse[T any](e event.Event, prefix string) (T, error) {
	var data T
	if !strings.HasPrefix(e.Type(), prefix) {
		return data, fmt.Errorf("%w: type %q does not start with %q", ErrInvalid, e.Type(), prefix)
	}
	if err := json.Unmarshal(e.Data(), &data); err != nil {
		return data, fmt.Errorf("%w: data of %s: %w", ErrInvalid, e.Type(), err)
	}
	return data, nil
}
