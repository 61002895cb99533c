package plan

import "time"

// Policy is what the routes and silences say of one workload and one receiver.
type Policy struct {
	// Routed is false where no route names the receiver for this workload now.
	// A receiver that got the opening gets the end all the same.
	Routed bool
	// SendResolved is false for a receiver that wants openings only.
	SendResolved bool
	// Group is not empty where openings that share it go out as one message.
	Group string
	// Wait is how long an opening waits for others of its group.
	Wait time.Duration
	// Gather is how long a recovery waits for the rest of its message's
	// workloads to recover too.
	Gather time.Duration
	// After is how long an incident lasts that nobody takes care of before it is
	// told: the receiver is one of an escalation. 0: at once.
	After time.Duration
	// Repeat is the time between reminders; 0 for none.
	Repeat time.Duration
	// Warning is set where nothing is wrong yet: what was not told in time is not told
	// late. It is told again at Steps, not after Repeat.
	Warning bool
	Steps   []time.Time
	// SilencedUntil is in the future while a silence matches the workload.
	SilencedUntil time.Time
}

func (p Policy) silenced(now time.Time) bool { return now.Before(p.SilencedUntil) }

// stepSlack is how long before a step a message counts as told at it.
const stepSlack = 2 * time.Minute

// again is when what was told at a time is told again.
func (p Policy) again(told time.Time) (at time.Time, ok bool) {
	if !p.Warning {
		return told.Add(p.Repeat), p.Repeat > 0
	}
	for _, step := range p.Steps {
		if step.After(told.Add(stepSlack)) {
			return step, true
		}
	}
	return time.Time{}, false
}
