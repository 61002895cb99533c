package bus

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 5 * time.Second
)

// backoff makes the pauses between attempts: doubling, bounded, and between half
// and all of that at random, so that clients do not come back in step.
type backoff struct{ attempts int }

func (b *backoff) reset() { b.attempts = 0 }

func (b *backoff) next() time.Duration {
	d := backoffMax
	if b.attempts < 6 {
		d = min(backoffFirst<<b.attempts, backoffMax)
	}
	b.attempts++
	return d/2 + rand.N(d/2)
}

// wait pauses, at most until ctx ends.
func (b *backoff) wait(ctx context.Context) {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
