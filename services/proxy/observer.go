package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/tracker"
)

// rereadTimeout bounds the second look at the source before a rejection is
// believed. A source that cannot be asked does not save the credential.
const rereadTimeout = 10 * time.Second

// source is where a workload's credential comes from.
type source interface {
	Current() *credential.Snapshot
	Reread(ctx context.Context) *credential.Snapshot
}

// observer runs the tracker of one workload: it adds the clock, rereads the
// credential and publishes the facts. It never makes a request wait.
type observer struct {
	workload string
	labels   map[string]string
	upstream string
	source   source
	emit     func(tracker.Fact)

	// settled is the generation whose acceptances change nothing; 0: none.
	settled atomic.Uint64
	// quiet: nothing is rejected, so nobody has to know which class of request
	// an acceptance belongs to.
	quiet atomic.Bool

	mu      sync.Mutex
	tracker *tracker.Tracker
	retired bool

	again chan uint64   // generations to read the source again for
	kick  chan struct{} // something may be due earlier
}

func (o *observer) init(after int) {
	o.tracker = tracker.New(after)
	o.again = make(chan uint64, 1)
	o.kick = make(chan struct{}, 1)
	o.quiet.Store(true)
}

// answer takes in an answer to a request that carried our credential.
func (o *observer) answer(a tracker.Answer) {
	var again bool
	o.with(func(t *tracker.Tracker) {
		o.sync(t, a.At)
		again = t.Observe(a)
	})
	if again {
		select {
		case o.again <- a.Generation:
		default: // one is waiting already, and will read after this answer
		}
	}
}

// load takes in what the source holds.
func (o *observer) load(now time.Time) {
	o.with(func(t *tracker.Tracker) { o.sync(t, now) })
}

// sync looks at the source itself: a callback may come later than an answer to
// a request that already carried the new value.
func (o *observer) sync(t *tracker.Tracker, now time.Time) { t.Load(now, tracked(o.source.Current())) }

func (o *observer) expiring(now time.Time) {
	o.with(func(t *tracker.Tracker) { t.Expiring(now) })
}

func (o *observer) rejected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tracker.Rejected()
}

// retire ends the observer: what still arrives is about a configuration that is gone.
func (o *observer) retire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retired = true
	o.settled.Store(0)
}

// with runs f and sends out what follows from it, in order.
func (o *observer) with(f func(*tracker.Tracker)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.retired {
		return
	}
	before := o.tracker.Next()
	f(o.tracker)
	for _, fact := range o.tracker.Take() {
		f := &fact.Observation
		f.Workload, f.Labels, f.Upstream = o.workload, o.labels, o.upstream
		o.emit(fact)
	}
	if generation, ok := o.tracker.Settled(); ok {
		o.settled.Store(generation)
	} else {
		o.settled.Store(0)
	}
	o.quiet.Store(o.tracker.Quiet())
	if next := o.tracker.Next(); !next.IsZero() && (before.IsZero() || next.Before(before)) {
		select {
		case o.kick <- struct{}{}:
		default:
		}
	}
}

// run does what takes time, until ctx ends.
func (o *observer) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case generation := <-o.again:
			o.confirm(ctx, generation)
		case <-o.kick:
		case <-timer.C:
			o.with(func(t *tracker.Tracker) { t.Tick(time.Now()) })
		}
		timer.Reset(o.untilNext())
	}
}

func (o *observer) untilNext() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if next := o.tracker.Next(); !next.IsZero() && !o.retired {
		return max(time.Until(next), time.Millisecond)
	}
	return time.Hour
}

func (o *observer) confirm(ctx context.Context, generation uint64) {
	own, cancel := context.WithTimeout(ctx, rereadTimeout)
	defer cancel()
	o.source.Reread(own)
	if ctx.Err() != nil {
		return
	}
	o.with(func(t *tracker.Tracker) {
		now := time.Now()
		o.sync(t, now)
		t.Confirm(now, generation)
	})
}

func tracked(s *credential.Snapshot) tracker.Credential {
	c := tracker.Credential{
		Generation: s.Generation, Usable: s.Usable(), Problem: s.Problem, Detail: s.Detail,
		Info: events.Credential{Fingerprint: s.Fingerprint, Source: s.Source},
	}
	if !s.LoadedAt.IsZero() {
		at := s.LoadedAt
		c.Info.LoadedAt = &at
	}
	if !s.ExpiresAt.IsZero() {
		at := s.ExpiresAt
		c.Info.ExpiresAt = &at
	}
	return c
}
