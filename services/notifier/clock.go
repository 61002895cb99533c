package notifier

import "time"

// clock is the time as people read it. The lease does not use it.
type clock interface {
	Now() time.Time
	// After is a channel that gets the time once d has gone by.
	After(d time.Duration) <-chan time.Time
}

type wallClock struct{}

// Now has no monotonic part: it is compared with stored times, and follows a
// clock that is set.
func (wallClock) Now() time.Time                         { return time.Now().Round(0) }
func (wallClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
