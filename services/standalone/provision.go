package standalone

import (
	"context"
	"errors"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// Provision creates or updates the streams with one of the bus's methods, and tries
// again for as long as the server does not answer and ctx lasts.
func Provision(ctx context.Context, change func(context.Context) ([]bus.Change, error)) ([]bus.Change, error) {
	for {
		changes, err := change(ctx)
		if !errors.Is(err, bus.ErrUnavailable) || !clock.Sleep(ctx, 100*time.Millisecond) {
			return changes, err
		}
	}
}

const provisionTimeout = 15 * time.Second

// provision makes the embedded broker ready. A server of its own is left alone:
// how many copies it keeps of a stream is not this process's to say.
func (a *App) provision(ctx context.Context, b *bus.Bus) error {
	if !a.cfg.Embedded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	_, err := Provision(ctx, func(ctx context.Context) ([]bus.Change, error) { return b.Apply(ctx, bus.Provisioning{}) })
	return err
}
