package plan

import (
	"slices"
	"time"

	"github.com/authwatch/authwatch/events"
)

// GiveUp is how long a receiver may be out of reach before somebody else is told
// in its place.
const GiveUp = 15 * time.Minute

// State is a receiver's condition.
type State string

const (
	Up      State = "up"
	Down    State = "down"    // rested, and asked again now and then
	Refuses State = "refuses" // for good; asked again every [Probe]
	Off     State = "off"     // it said that it is gone
)

// State is the receiver's condition.
func (l *Lane) State() State {
	switch c := l.circuit; {
	case c.off:
		return Off
	case c.refused:
		return Refuses
	case c.failures >= tripAfter || c.rest > 0:
		return Down
	}
	return Up
}

// Restore takes up the condition of a receiver that refused before a restart.
func (l *Lane) Restore(s State, at time.Time) {
	switch s {
	case Off:
		l.circuit.refused, l.circuit.off = true, true
	case Refuses:
		l.circuit.refused = true
		l.circuit.pause(at, Probe)
	case Down:
		l.circuit.down = at.Add(-GiveUp)
	}
}

// Ready reports whether a delivery that was handed out may be attempted now:
// what came before it may have shown that the receiver needs rest.
func (l *Lane) Ready(now time.Time) bool {
	return !l.circuit.opens(now).After(now) && (l.taken <= 1 || !l.circuit.trial())
}

// Away reports whether the receiver as a whole cannot be told, so that its
// fallback has to be.
func (l *Lane) Away(now time.Time) bool {
	c := l.circuit
	return c.refused || !c.down.IsZero() && now.Sub(c.down) >= GiveUp
}

// Lost reports whether somebody else has to be told of a workload.
func (l *Lane) Lost(workload string, now time.Time) bool {
	if l.Away(now) {
		return true
	}
	e := l.entries[workload]
	return e != nil && e.job != nil && e.job.Failed
}

// Replay attempts a delivery now, whatever was decided about waiting; all of
// them where id is empty. It says how many there are.
func (l *Lane) Replay(id string) int {
	found := map[string]bool{}
	for _, e := range l.entries {
		d := e.job
		if d == nil || d.heard || found[d.ID] || id != "" && d.ID != id {
			continue
		}
		found[d.ID] = true
		d.Wait = 0
		if !d.taken { // else it is looked at when its row is stored
			l.alarms.set(d.Next(), d.ID)
		}
	}
	if len(found) > 0 {
		l.circuit.rest, l.circuit.off = 0, false
	}
	return len(found)
}

// Oldest is since when a message has been due and is not delivered, of all the
// longest.
func (l *Lane) Oldest(now time.Time) (since time.Time, ok bool) {
	note := func(at time.Time) {
		if !at.After(now) && (!ok || at.Before(since)) {
			since, ok = at, true
		}
	}
	for _, e := range l.entries {
		if e.job != nil && !e.job.heard {
			note(e.job.Created)
		}
	}
	for _, b := range l.batches {
		for _, a := range b.members {
			if a.Kind != events.KindReminder {
				note(a.At)
			}
		}
	}
	return since, ok
}

// Workloads are the names of all that the lane knows.
func (l *Lane) Workloads() []string {
	names := make([]string, 0, len(l.entries))
	for name := range l.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
