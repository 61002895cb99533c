package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// The lease is a key that its holder writes again and again. Nobody compares
// clocks: a replica takes it over after it has seen no write for leaseExpiry by
// its own clock, and a holder that could not write for leaseGrace stops.
const (
	leaseKey    = "notifier"
	leaseRenew  = time.Second
	leaseGrace  = 2500 * time.Millisecond
	leaseExpiry = 3500 * time.Millisecond
)

var errLeaseLost = errors.New("another notifier leads")

// lease elects the leader.
type lease struct {
	bucket *bus.Bucket
	holder string // unique to this process
	log    *slog.Logger
}

// run leads whenever it can, until ctx ends.
func (l *lease) run(ctx context.Context, lead leader) error {
	for ctx.Err() == nil {
		revision := l.acquire(ctx)
		if revision == 0 {
			return nil
		}
		l.log.Info("leading", "holder", l.holder)
		err := l.hold(ctx, revision, lead)
		if err != nil && ctx.Err() == nil {
			l.log.Warn("no longer leading", "err", err)
			clock.Sleep(ctx, leaseRenew)
		}
	}
	return nil
}

// acquire returns the revision of the lease once this replica holds it; 0 if ctx
// has ended.
func (l *lease) acquire(ctx context.Context) uint64 {
	var seen uint64
	since := time.Now()
	for {
		e, err := l.bucket.Get(ctx, leaseKey)
		switch {
		case errors.Is(err, bus.ErrNotFound):
			if revision, err := l.bucket.Create(ctx, leaseKey, []byte(l.holder)); err == nil {
				return revision
			}
		case err != nil:
			since = time.Now() // whether the holder writes is not known
		case e.Revision != seen:
			seen, since = e.Revision, time.Now()
		case time.Since(since) > leaseExpiry:
			if revision, err := l.bucket.Update(ctx, leaseKey, []byte(l.holder), seen); err == nil {
				return revision
			}
		}
		if !clock.Sleep(ctx, leaseRenew/4) {
			return 0
		}
	}
}

// hold renews the lease while lead runs, and gives it back after it.
func (l *lease) hold(ctx context.Context, revision uint64, lead leader) error {
	draining := ctx.Done()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		revision = l.renew(ctx, revision, cancel)
	}()
	err := lead(ctx, draining)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-renewed
	if !errors.Is(err, errLeaseLost) {
		l.release(context.WithoutCancel(ctx), revision)
	}
	return err
}

func (l *lease) renew(ctx context.Context, revision uint64, lost context.CancelCauseFunc) uint64 {
	last := time.Now()
	for clock.Sleep(ctx, leaseRenew) {
		attempt, cancel := context.WithDeadline(ctx, last.Add(leaseGrace))
		next, err := l.bucket.Update(attempt, leaseKey, []byte(l.holder), revision)
		cancel()
		switch {
		case err == nil:
			revision, last = next, time.Now()
		case errors.Is(err, bus.ErrConflict):
			if e, err := l.bucket.Get(ctx, leaseKey); err == nil && string(e.Value) == l.holder {
				revision, last = e.Revision, time.Now() // a write that seemed to fail
				continue
			}
			lost(errLeaseLost)
			return revision
		case time.Since(last) >= leaseGrace:
			lost(fmt.Errorf("the lease could not be renewed: %w", err))
			return revision
		}
	}
	return revision
}

// release frees the lease at once, so that the next holder does not wait.
func (l *lease) release(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	if e, err := l.bucket.Get(ctx, leaseKey); err != nil || e.Revision != revision {
		return
	}
	if err := l.bucket.Delete(ctx, leaseKey); err != nil {
		l.log.Warn("the lease could not be released", "err", err)
	}
}
