package plan

import "time"

// A workload flaps when its incidents open and close more often than people can
// use. Each change beyond the second waits until things are still for a moment;
// beyond damped changes in a window, until they are still for long, or until
// the receiver got nothing for a whole window.
const (
	window = 10 * time.Minute
	quick  = 2 // changes sent at once
	settle = 2 * time.Second
	damped = 5 // changes in a window, beyond which a workload flaps
	quiet  = window / damped
	memory = damped + 1 // changes worth remembering
)

func remember(changes []time.Time, now time.Time) []time.Time {
	kept := make([]time.Time, 0, memory)
	for _, c := range changes {
		if now.Sub(c) < window {
			kept = append(kept, c)
		}
	}
	if len(kept) == memory {
		kept = kept[1:]
	}
	return append(kept, now)
}

// flapping reports whether r's workload changes too often for a message each.
func (r Row) flapping(now time.Time) bool { return r.recent(now) > damped }

func (r Row) recent(now time.Time) int {
	n := 0
	for _, c := range r.Changes {
		if now.Sub(c) < window {
			n++
		}
	}
	return n
}

// calm is when r's workload has been still for long enough to be talked about.
func (r Row) calm(now time.Time) time.Time {
	n := r.recent(now)
	if n <= quick {
		return r.Seen.At
	}
	last := r.Changes[len(r.Changes)-1]
	if n <= damped {
		return last.Add(settle)
	}
	// Or when the earliest change that makes it too many is forgotten.
	at := earlier(last.Add(quiet), later(r.Changes[len(r.Changes)-damped-1].Add(window), last.Add(settle)))
	if !r.Delivered.At.IsZero() {
		at = earlier(at, r.Delivered.At.Add(window))
	}
	return at
}
