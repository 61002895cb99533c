package notifier

import (
	"context"
	"time"

	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// beat calls the heartbeat URL while the notifier can do its work. Whoever
// listens there speaks up when it stays silent.
func (n *session) beat(ctx context.Context) error {
	h := n.config.Heartbeat
	if h.URL == "" && h.URLFile == "" {
		return nil
	}
	interval := h.Interval.Std()
	if interval <= 0 {
		interval = time.Minute
	}
	pulse := receiver.NewPulse(h.URL, h.URLFile)
	failed := false
	for {
		if n.Ready() == nil {
			attempt, cancel := context.WithTimeout(ctx, min(interval, defaultTimeout))
			a := pulse.Beat(attempt)
			cancel()
			if a.Outcome != plan.Delivered && !failed && ctx.Err() == nil {
				n.log.Warn("the heartbeat is not taken", "status", a.Status, "err", a.Error)
			}
			failed = a.Outcome != plan.Delivered
		}
		select {
		case <-n.clock.After(interval):
		case <-ctx.Done():
			return nil
		}
	}
}
