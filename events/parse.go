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
	switch {
	case err != nil:
	case r.Workload != e.Subject():
		err = fmt.Errorf("%w: the data is about workload %q, the subject is %q", ErrInvalid, CleanText(r.Workload, 64), e.Subject())
	case r.Status == "":
		err = fmt.Errorf("%w: the record of %s has no status", ErrInvalid, r.Workload)
	}
	return r, err
}

// ParseReceipt returns the data of alert.delivered and alert.failed.
func ParseReceipt(e event.Event) (Receipt, error) {
	r, err := parse[Receipt](e, "alert.")
	if err == nil && (r.Receiver == "" || r.DeliveryID == "") {
		err = fmt.Errorf("%w: %s names no receiver or delivery", ErrInvalid, e.Type())
	}
	return r, err
}

// ParseAlert returns the data of what a webhook receiver gets.
func ParseAlert(e event.Event) (Alert, error) {
	a, err := parse[Alert](e, "alert.")
	if err == nil && e.Type() != "alert."+a.Kind {
		err = fmt.Errorf("%w: the data of %s has the kind %q", ErrInvalid, e.Type(), CleanText(a.Kind, 64))
	}
	return a, err
}

// ParseSilence returns the data of alert.silenced and alert.unsilenced.
func ParseSilence(e event.Event) (Silence, error) {
	s, err := parse[Silence](e, "alert.")
	if err == nil && (s.ID == "" || s.Until.IsZero()) {
		err = fmt.Errorf("%w: %s names no silence or no end", ErrInvalid, e.Type())
	}
	return s, err
}

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
