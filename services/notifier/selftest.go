package notifier

import (
	"context"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// selfTest sends test messages to receivers that have accepted nothing for the
// interval, so that a broken receiver is known before it is needed.
func selfTest(ctx context.Context, draining <-chan struct{}, c SelfTest, workers map[string]*worker, clk clock.Clock) error {
	interval := c.Interval.Std()
	if interval <= 0 {
		return nil
	}
	for {
		next := interval
		for _, name := range c.Receivers {
			w := workers[name]
			if age := clk.Now().Sub(w.queue.glance().delivered); age < interval {
				next = min(next, interval-age)
				continue
			}
			_, _ = w.test(ctx, draining) // the receipt says what came of it
		}
		select {
		case <-clk.After(next):
		case <-draining:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
