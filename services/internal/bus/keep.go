package bus

import (
	"context"
	"errors"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// backoff is between the attempts to reach a server.
func backoff() clock.Backoff {
	return clock.Backoff{First: 100 * time.Millisecond, Most: 5 * time.Second}
}

// keep runs fn again and again until ctx ends (nil) or the caller's own function
// fails. The pause between two runs starts over after a run that lasted.
func (b *Bus) keep(ctx context.Context, what string, fn func(context.Context) error) error {
	for pause := backoff(); ; pause.Sleep(ctx) {
		began := time.Now()
		err := fn(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end that was asked for
		}
		if own, ok := errors.AsType[handlerError](err); ok {
			return own.error
		}
		if time.Since(began) > pause.Most {
			pause.Reset()
		}
		switch pause.Failures {
		case 0:
			b.log.Info("interrupted, will be tried again", "what", what, "err", err)
		case 5:
			b.log.Warn("still interrupted", "what", what, "err", err)
		}
	}
}

func withoutHandler(err error) error {
	if own, ok := errors.AsType[handlerError](err); ok {
		return own.error
	}
	return err
}

// handlerError is an error of the caller's function, not of the bus.
type handlerError struct{ error }

func (e handlerError) Unwrap() error { return e.error }
