package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
)

const (
	attemptTimeout = 5 * time.Second
	firstBackoff   = 50 * time.Millisecond
	maxBackoff     = 5 * time.Second
	refusedBackoff = time.Minute
	// drainTimeout is for what is held when the process stops.
	drainTimeout = 3 * time.Second
)

// Run publishes until ctx ends, gives the rest a last chance and writes what is
// still not acknowledged to the file.
func (b *Outbox) Run(ctx context.Context) error {
	alive := context.WithoutCancel(ctx)
	keeping, stopKeeping := context.WithCancel(alive)
	defer stopKeeping()
	var keeper sync.WaitGroup
	keeper.Go(func() { b.keep(keeping) })

	b.publish(ctx)
	drain, cancel := context.WithTimeout(alive, drainTimeout)
	b.drain(drain)
	cancel()

	stopKeeping()
	keeper.Wait()
	return b.save()
}

func (b *Outbox) publish(ctx context.Context) {
	wait := clock.Backoff{First: firstBackoff, Most: maxBackoff}
	for ctx.Err() == nil {
		it, again := b.next(time.Now())
		if it == nil {
			b.idle(ctx, again)
			continue
		}
		if b.attempt(ctx, it) {
			wait.Reset()
			continue
		}
		wait.Sleep(ctx)
	}
}

// drain ends at the first failure: the file has what remains.
func (b *Outbox) drain(ctx context.Context) {
	for ctx.Err() == nil {
		it, _ := b.next(time.Now())
		if it == nil || !b.attempt(ctx, it) {
			return
		}
	}
}

// attempt reports whether to go on without waiting.
func (b *Outbox) attempt(ctx context.Context, it *item) bool {
	own, cancel := context.WithTimeout(ctx, attemptTimeout)
	err := b.o.Publisher.Publish(own, it.event)
	cancel()
	switch {
	case err == nil:
		b.acknowledged(it)
		signal(b.dirty)
		if b.o.Acknowledged != nil {
			b.o.Acknowledged(it.event, time.Since(it.added))
		}
		return true
	case b.o.Refused != nil && b.o.Refused(err):
		b.o.Log.Error("the bus refuses an event; check the permissions of this user",
			"workload", it.event.Subject(), "type", it.event.Type(), "err", err)
		b.refuse(it)
		return true
	case ctx.Err() == nil:
		b.unwell(err)
	}
	return false
}

func (b *Outbox) refuse(it *item) {
	b.mu.Lock()
	b.stats.Refusals++
	b.queues[it.event.Subject()].refused = time.Now().Add(refusedBackoff)
	b.healthy = false
	b.mu.Unlock()
	signal(b.dirty)
}

func (b *Outbox) unwell(err error) {
	b.mu.Lock()
	was := b.healthy
	b.healthy = false
	b.stats.Retries++
	held := b.held
	b.mu.Unlock()
	signal(b.dirty)
	if was {
		b.o.Log.Warn("cannot publish; events are held and tried again", "held", held, "err", err)
	}
}

func (b *Outbox) idle(ctx context.Context, again time.Time) {
	var due <-chan time.Time
	if !again.IsZero() {
		t := time.NewTimer(time.Until(again))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-b.wake:
	case <-due:
	}
}
