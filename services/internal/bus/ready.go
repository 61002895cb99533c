package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A server calls itself healthy for many seconds after its cluster has lost the
// quorum. So the bus is ready while writes are acknowledged.
const (
	canaryInterval = 5 * time.Second
	canaryRetry    = time.Second
	canaryMaxAge   = 15 * time.Second
	// serverPatience is how long a server may refuse writes before another one is
	// tried. An election takes up to 8 s.
	serverPatience = 10 * time.Second
)

// canary is a write to the bucket LEASES that is repeated.
type canary struct {
	name string
	kick chan struct{}

	mu     sync.Mutex
	last   time.Time // acknowledged
	err    error     // since then
	needs  []string  // subjects
	denied error     // one of them
}

func (c *canary) succeeded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.err = time.Now(), nil
}

func (c *canary) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// soon asks for a write without waiting for the next turn.
func (c *canary) soon() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *canary) state(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.denied != nil:
		return fmt.Errorf("bus: %w", c.denied)
	case errors.Is(c.err, ErrRefused):
		return fmt.Errorf("bus: %w", c.err)
	case !c.last.IsZero() && now.Sub(c.last) <= canaryMaxAge:
		return nil
	case c.err != nil:
		return fmt.Errorf("bus: no write is acknowledged: %w", c.err)
	}
	return errors.New("bus: no write was acknowledged yet")
}

// Ready reports why this process cannot do its work with the bus: no write was
// acknowledged lately, the user lacks a permission, a consumer or a stream that it
// needs is not there, is not ours, or takes no writes.
func (b *Bus) Ready() error {
	now := time.Now()
	canary := b.canary.state(now)
	if errors.Is(canary, ErrRefused) || !b.nc.IsConnected() {
		return canary
	}
	err := b.checkVersion()
	if err == nil {
		err = b.inspection.state(now) // it knows what is missing by name
	}
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return canary
}

// Needs names subjects that this process is going to publish to ("auth.loaded.*").
// After each connect the server is asked whether it may, and Ready says what is
// denied, before an event is lost to it.
func (b *Bus) Needs(subjects ...string) {
	for _, subject := range subjects {
		b.NeedsStreams(streamOf(subject))
	}
	b.canary.mu.Lock()
	b.canary.needs = append(b.canary.needs, subjects...)
	b.canary.mu.Unlock()
	b.canary.soon()
}

// checkNeeds compares what was named with Needs to what the server allows. A
// server that does not say leaves it to the first publish to find out.
func (b *Bus) checkNeeds(ctx context.Context) {
	b.canary.mu.Lock()
	needs := slices.Clone(b.canary.needs)
	b.canary.mu.Unlock()
	if len(needs) == 0 {
		return
	}
	have, err := b.permissions(ctx)
	if err != nil && !errors.Is(err, ErrUnavailable) {
		b.log.Warn("cannot check the permissions of this user", "err", err)
	}
	var denied error
	for _, subject := range needs {
		if err == nil && !have.permit(subject) {
			denied = fmt.Errorf("%w: %w to publish on %s", ErrRefused, errDenied, subject)
		}
	}
	b.canary.mu.Lock()
	defer b.canary.mu.Unlock()
	b.canary.denied = denied
}

// beat writes the canary until ctx ends.
func (b *Bus) beat(ctx context.Context) {
	leases := b.Bucket(BucketLeases)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for taken := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-b.canary.kick: // a new connection, most likely
			taken = time.Now()
			b.checkNeeds(ctx)
		case <-timer.C:
		}
		next := canaryInterval
		_, err := leases.Put(ctx, "canary."+b.canary.name, []byte(time.Now().UTC().Format(time.RFC3339Nano)))
		if err != nil {
			b.canary.failed(err)
			next = canaryRetry
		} else {
			b.canary.succeeded()
		}
		if err == nil || time.Since(taken) > serverPatience && b.moveOn(err) {
			taken = time.Now()
		}
		ready := 0.0
		if b.Ready() == nil {
			ready = 1
		}
		b.metrics.ready.Set(ready)
		timer.Reset(next)
	}
}

// moveOn leaves a server that is up and takes no writes, if there is another one.
// It may be cut off from its cluster, and a server does not say so.
func (b *Bus) moveOn(err error) bool {
	if !b.nc.IsConnected() || len(b.nc.Servers()) < 2 || !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrFull) {
		return false
	}
	b.log.Warn("bus takes no writes, another server is tried", "server", b.nc.ConnectedServerName(), "err", err)
	return b.nc.ForceReconnect() == nil
}
