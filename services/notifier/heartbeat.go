package notifier

import (
	"context"
	"log/slog"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// heartbeat calls the URL of c while ready returns nil, until ctx ends. The
// service behind the URL raises an alarm when the calls stop.
func heartbeat(ctx context.Context, c Heartbeat, ready func() error, clk clock.Clock, log *slog.Logger) {
	if c.URL == "" && c.URLFile == "" {
		return
	}
	interval := c.Interval.Std()
	if interval <= 0 {
		interval = time.Minute
	}
	call := receiver.NewHeartbeat(c.URL, c.URLFile)
	failed := false
	for {
		if ready() == nil {
			attempt, cancel := context.WithTimeout(ctx, min(interval, defaultTimeout))
			r := call.Send(attempt)
			cancel()
			if r.Outcome != plan.Delivered && !failed && ctx.Err() == nil {
				log.Warn("heartbeat is not accepted", "status", r.Status, "err", r.Error)
			}
			failed = r.Outcome != plan.Delivered
		}
		select {
		case <-clk.After(interval):
		case <-ctx.Done():
			return
		}
	}
}
