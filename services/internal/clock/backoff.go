package clock

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the wait before the next attempt at what failed: First, twice as
// long with each failure in a row, at most Most. Of each wait, up to half is
// left out at random, so that clients that failed together do not come back
// together.
type Backoff struct {
	First, Most time.Duration
	Failures    int // in a row
}

// Wait returns the wait after b.Failures, with random in [0,1): 0 leaves out half
// of it, 1 nothing.
func (b Backoff) Wait(random float64) time.Duration {
	d := b.First
	for n := 1; n < b.Failures && d < b.Most; n++ {
		d *= 2
	}
	d = min(d, b.Most)
	return d/2 + time.Duration(random*float64(d-d/2))
}

// Failed counts a failure and returns the wait that follows it.
func (b *Backoff) Failed() time.Duration {
	b.Failures++
	return b.Wait(rand.Float64())
}

// Sleep counts a failure, waits, and reports whether ctx lasted.
func (b *Backoff) Sleep(ctx context.Context) bool { return Sleep(ctx, b.Failed()) }

// Reset forgets the failures: something succeeded.
func (b *Backoff) Reset() { b.Failures = 0 }
