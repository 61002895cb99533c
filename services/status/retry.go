package status

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
)

const (
	// retryAfter is the pause before something is tried again that needs the broker.
	retryAfter = time.Second
	// sameReason is how often one reason for it is logged.
	sameReason = 5 * time.Minute
)

// retrier repeats what fails while the broker is away.
type retrier struct{ log *slog.Logger }

// again runs fn until ctx ends, after every end once more.
func (r retrier) again(ctx context.Context, what string, fn func(context.Context) error) error {
	pause := r.pauses(what)
	for pause(ctx, fn(ctx)) {
	}
	return nil
}

// until runs fn until it succeeds; false: ctx ended first.
func (r retrier) until(ctx context.Context, what string, fn func(context.Context) error) bool {
	pause := r.pauses(what)
	for {
		err := fn(ctx)
		if err == nil {
			return true
		}
		if !pause(ctx, err) {
			return false
		}
	}
}

// pauses returns what waits before something that failed is tried again, and is
// false when ctx ended. It logs a reason when it is another than before, and
// the same one again after a while.
func (r retrier) pauses(what string) func(ctx context.Context, err error) bool {
	var reason string
	var logged time.Time
	return func(ctx context.Context, err error) bool {
		if ctx.Err() != nil {
			return false
		}
		if text := fmt.Sprint(err); text != reason || time.Since(logged) >= sameReason {
			reason, logged = text, time.Now()
			r.log.Warn("failed and is tried again", "what", what, "err", err)
		}
		return clock.Sleep(ctx, retryAfter)
	}
}
