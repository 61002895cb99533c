package receiver

import (
	"cmp"
	"time"

	"github.com/authwatch/authwatch/events"
)

// Message is what a receiver is to say. On every attempt of one delivery it has
// the same ID, Kind, Time and Thread.
type Message struct {
	ID        string
	Kind      string // one of the events.Kind constants
	Receiver  string
	Time      time.Time // when it was first to be said
	Title     string    // one line
	Text      string
	Workloads []events.Record
	Open      bool // an incident is open after it
	// Thread is the ID of the message that opened the conversation, and Ref
	// what this receiver called it then.
	Thread string
	Ref    string
	// Left counts the workloads of the conversation that are still bad.
	Left int
	// About names what m is about where that is not a workload, and Notice says
	// what about it.
	About  string
	Notice string
	Trace  string // the traceparent of what led to the status, of the first workload that has one
	Hop    string // the traceparent of this attempt, where it is another
	// Note is said besides: why this receiver is told in place of another.
	Note string
	// Link is the page of what m is about, where authwatch knows its own address.
	Link string

	templated bool    // Text is from a template of the user's
	each      []words // about each of the workloads, where the receiver wants them
}

// Subject is the workload that the message is about, where it is one.
func (m Message) Subject() string {
	if len(m.Workloads) == 1 {
		return m.Workloads[0].Workload
	}
	return ""
}

// pick returns the value for a test message, for a warning, for one after which an
// incident is open, or for any other.
func pick[T any](m Message, test, warning, open, other T) T {
	switch {
	case m.Kind == events.KindTest:
		return test
	case m.Kind == events.KindExpiring:
		return warning
	case m.Open:
		return open
	}
	return other
}

// isWarning reports whether r is about a credential that still works, and will expire
// or would have.
func isWarning(r events.Record) bool {
	if r.Incident != "" {
		return r.Status == events.StatusExpiring
	}
	return r.LastIncident != nil && r.LastIncident.Reason == events.ReasonExpiresSoon
}

// source names what m is about, in providers that want a name.
func (m Message) source() string {
	return cmp.Or(m.About, m.Subject(), "authwatch")
}

// openedAt is when the incident began that r is about.
func openedAt(r events.Record) time.Time {
	switch {
	case r.IncidentOpened != nil:
		return *r.IncidentOpened
	case r.Incident == "" && r.LastIncident != nil:
		return r.LastIncident.Opened
	}
	return r.Since
}

// began is when the first of the incidents that m is about began.
func (m Message) began() time.Time {
	var first time.Time
	for _, r := range m.Workloads {
		at := openedAt(r)
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if first.IsZero() {
		return m.Time
	}
	return first
}
