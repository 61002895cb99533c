package plan

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// Cause is what a message waits for.
type Cause string

const (
	ForAnswer     Cause = "answer"      // it is being sent
	ForReceiver   Cause = "receiver"    // the receiver did not take it, or is rested after others
	ForRetryAfter Cause = "retry_after" // the receiver asked for that time
	ForConfig     Cause = "config"      // the receiver is gone until its configuration changes
	ForSilence    Cause = "silence"     // a silence ends then
	ForEscalation Cause = "escalation"  // others were told first, and may take care of it
	ForFlapping   Cause = "flapping"    // the workload changes too often
	ForGroup      Cause = "group"       // others may belong into the same message
	ForReminder   Cause = "reminder"    // the receiver has the message, and gets a reminder then
	ForTurn       Cause = "turn"        // other messages go first
	ForPerson     Cause = "person"      // somebody takes care of the incident
)

// Wait is the next message about a workload, and what it waits for.
type Wait struct {
	Kind     string    `json:"kind"`
	For      Cause     `json:"for"`
	Until    time.Time `json:"until,omitzero"` // zero: nobody knows
	ID       string    `json:"id,omitempty"`   // empty before the first attempt
	Attempts int       `json:"attempts,omitempty"`
	Failed   bool      `json:"failed,omitempty"`
	Status   int       `json:"status,omitempty"` // of the last answer
	Error    string    `json:"error,omitempty"`
}

// Explain says which message about a workload the receiver gets next, if any.
func (q *Queue) Explain(workload string, now time.Time) (w Wait, ok bool) {
	q.replan(now)
	e := q.entries[workload]
	switch {
	case e == nil:
		return Wait{}, false
	case e.delivery != nil:
		return q.attempted(e.delivery, now), true
	case q.batches[e.batch] != nil:
		b := q.batches[e.batch]
		return q.planned(e, b.members[workload], b.sendAt(), now), true
	case e.row.Delivered.Open && e.rec.Acknowledged.Holds(now) && e.policy.Routed:
		return Wait{Kind: events.KindReminder, For: ForPerson}, true
	}
	return Wait{}, false
}

// attempted is the wait of a message that was taken out of the queue before.
func (q *Queue) attempted(d *Delivery, now time.Time) Wait {
	w := Wait{
		Kind: d.Kind, ID: d.ID, Attempts: d.Attempts, Failed: d.Failed, Status: d.Status, Error: d.Error,
		For: ForReceiver, Until: later(d.Next(), q.circuit.opens(now)),
	}
	switch {
	case q.circuit.off:
		w.For, w.Until = ForConfig, time.Time{}
	case d.taken:
		w.For, w.Until = ForAnswer, time.Time{}
	case d.Requested:
		w.For = ForRetryAfter
	}
	return w
}

// planned is the wait of a message in the making: of all that holds it back,
// what does so for longest.
func (q *Queue) planned(e *entry, a action, due, now time.Time) Wait {
	w := Wait{Kind: a.Kind, For: ForTurn}
	hold := func(cause Cause, until time.Time) {
		if until.After(now) && !until.Before(w.Until) {
			w.For, w.Until = cause, until
		}
	}
	if a.Kind == events.KindReminder {
		hold(ForReminder, a.At)
		if ack := e.rec.Acknowledged; ack.Holds(now) {
			hold(ForPerson, *ack.Until) // else there is no reminder
		}
	} else {
		hold(ForGroup, due)
		if e.policy.After > 0 && a.Open {
			hold(ForEscalation, openedAt(e.rec).Add(e.policy.After))
		}
		hold(ForFlapping, e.row.calm(now))
	}
	if a.Open {
		hold(ForSilence, e.policy.SilencedUntil)
	}
	hold(ForReceiver, q.circuit.opens(now))
	if q.circuit.off {
		w.For, w.Until = ForConfig, time.Time{}
	}
	return w
}

// Oldest is since when a message has been due and is not delivered, of all the
// longest.
func (q *Queue) Oldest(now time.Time) (since time.Time, ok bool) {
	note := func(at time.Time) {
		if !at.After(now) && (!ok || at.Before(since)) {
			since, ok = at, true
		}
	}
	for _, e := range q.entries {
		if e.delivery != nil && !e.delivery.accepted {
			note(e.delivery.Created)
		}
	}
	for _, b := range q.batches {
		for _, a := range b.members {
			if a.Kind != events.KindReminder {
				note(a.At)
			}
		}
	}
	return since, ok
}
