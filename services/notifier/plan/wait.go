package plan

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// Cause is what a message waits for.
type Cause string

const (
	ForAnswer   Cause = "answer"   // it is being sent
	ForReceiver Cause = "receiver" // the receiver did not take it, or is rested after others
	ForWish     Cause = "wish"     // the receiver asked for that time
	ForConfig   Cause = "config"   // the receiver is gone until its configuration changes
	ForSilence  Cause = "silence"  // a silence ends then
	ForCalm     Cause = "calm"     // the workload changes too often
	ForGroup    Cause = "group"    // others may belong into the same message
	ForReminder Cause = "reminder" // the receiver was told, and hears again then
	ForTurn     Cause = "turn"     // other messages go first
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

// Wait is what the receiver is told next about a workload, if anything.
func (l *Lane) Wait(workload string, now time.Time) (w Wait, ok bool) {
	l.replan(now)
	e := l.entries[workload]
	switch {
	case e == nil:
		return Wait{}, false
	case e.job != nil:
		return l.attempted(e.job, now), true
	case l.batches[e.batch] != nil:
		b := l.batches[e.batch]
		return l.planned(e, b.members[workload], b.due(), now), true
	}
	return Wait{}, false
}

// attempted is the wait of a message that was taken out of the lane before.
func (l *Lane) attempted(d *Delivery, now time.Time) Wait {
	w := Wait{
		Kind: d.Kind, ID: d.ID, Attempts: d.Attempts, Failed: d.Failed, Status: d.Status, Error: d.Error,
		For: ForReceiver, Until: later(d.Next(), l.circuit.opens(now)),
	}
	switch {
	case l.circuit.off:
		w.For, w.Until = ForConfig, time.Time{}
	case d.taken:
		w.For, w.Until = ForAnswer, time.Time{}
	case d.Asked:
		w.For = ForWish
	}
	return w
}

// planned is the wait of a message in the making: of all that holds it back,
// what does so for longest.
func (l *Lane) planned(e *entry, a Action, due, now time.Time) Wait {
	w := Wait{Kind: a.Kind, For: ForTurn}
	hold := func(cause Cause, until time.Time) {
		if until.After(now) && !until.Before(w.Until) {
			w.For, w.Until = cause, until
		}
	}
	if a.Kind == events.KindReminder {
		hold(ForReminder, a.At)
	} else {
		hold(ForGroup, due)
		hold(ForCalm, e.row.calm(now))
	}
	if a.Open {
		hold(ForSilence, e.policy.SilencedUntil)
	}
	hold(ForReceiver, l.circuit.opens(now))
	if l.circuit.off {
		w.For, w.Until = ForConfig, time.Time{}
	}
	return w
}
