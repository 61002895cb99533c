package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Component is a part of a process that runs for as long as the process does.
type Component struct {
	Name string
	// Run blocks until ctx ends, then drains and returns. When it returns
	// earlier, with or without an error, the process ends.
	Run func(ctx context.Context) error
	// Ready says why the component cannot do its work just now; nil: it always can.
	Ready func() error
}

// Group runs components side by side.
type Group struct {
	Log *slog.Logger
	// stopTimeout bounds the shutdown of each component; 10 seconds if zero.
	stopTimeout time.Duration
}

type running struct {
	Component
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// Run starts the components in order and blocks until ctx ends or one of them
// returns. Then it stops them in reverse order, each after the one before has
// drained or run out of time. It returns the first error.
func (g Group) Run(ctx context.Context, components ...Component) error {
	ended := make(chan *running, len(components))
	started := make([]*running, len(components))
	for i, c := range components {
		// Not a child of ctx: a signal must not stop all of them at once.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{Component: c, cancel: cancel, done: make(chan struct{})}
		started[i] = r
		go func() {
			r.err = c.Run(own)
			close(r.done)
			ended <- r
		}()
	}

	var first error
	select {
	case <-ctx.Done():
		g.Log.Info("stopping", "reason", context.Cause(ctx))
	case r := <-ended:
		first = r.failure()
		g.Log.Info("stopping", "reason", "component ended", "component", r.Name)
	}
	for _, r := range slices.Backward(started) {
		err := g.stop(r)
		switch {
		case first == nil:
			first = err
		case err != nil && !errors.Is(err, first):
			g.Log.Error("component failed while stopping", "component", r.Name, "err", err)
		}
	}
	return first
}

func (g Group) stop(r *running) error {
	r.cancel()
	timeout := cmp.Or(g.stopTimeout, 10*time.Second)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.done:
		g.Log.Debug("component stopped", "component", r.Name)
		return r.failure()
	case <-timer.C:
		return fmt.Errorf("%s did not stop within %s", r.Name, timeout)
	}
}

// failure names the component, except before a file and line.
func (r *running) failure() error {
	if r.err == nil || errors.Is(r.err, context.Canceled) {
		return nil
	}
	if _, located := errors.AsType[*config.Error](r.err); located {
		return r.err
	}
	return fmt.Errorf("%s: %w", r.Name, r.err)
}
