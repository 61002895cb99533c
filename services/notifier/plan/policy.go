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
	// Repeat is the time between reminders; 0 for none.
	Repeat time.Duration
	// SilencedUntil is in the future while a silence matches the workload.
	SilencedUntil time.Time
}

func (p Policy) silenced(now time.Time) bool { return now.Before(p.SilencedUntil) }
