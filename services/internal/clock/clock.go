// Package clock is the time, and the ways to wait for it.
package clock

import (
	"context"
	"time"
)

// Clock is the time as people read it. What measures a duration uses [time.Now].
type Clock interface {
	Now() time.Time
	// After returns a channel that gets the time once d has passed.
	After(d time.Duration) <-chan time.Time
}

// Wall is the clock of the system.
type Wall struct{}

// Now has no monotonic part: it is compared with stored times, and follows a
// clock that is set.
func (Wall) Now() time.Time { return time.Now().Round(0) }

// After implements [Clock].
func (Wall) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Sleep waits for d, or until ctx ends, and reports whether ctx lasted.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
