package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/judge"
)

// rereadTimeout bounds the second look at the source before a rejection is
// believed. A source that cannot be asked does not save the credential.
const rereadTimeout = 10 * time.Second

// source is where a workload's credential comes from.
type source interface {
	Current() *credential.Snapshot
	Reread(ctx context.Context) *credential.Snapshot
}

// watch runs the judge of one workload: it brings the clock, the re-reading and
// the way out for its facts. Nothing in it makes a request wait.
type watch struct {
	workload string
	labels   map[string]string
	upstream string
	source   source
	emit     func(judge.Fact)

	// settled is the generation whose acceptances change nothing; 0: none.
	settled atomic.Uint64
	// quiet: nothing is rejected, so nobody has to know which class of request
	// an acceptance belongs to.
	quiet atomic.Bool

	mu      sync.Mutex
	judge   *judge.Judge
	retired bool

	again chan uint64   // generations to read the source again for
	kick  chan struct{} // something may be due earlier
}

func (w *watch) init(after int) {
	w.judge = judge.New(after)
	w.again = make(chan uint64, 1)
	w.kick = make(chan struct{}, 1)
	w.quiet.Store(true)
}

// answer takes in an answer to a request that carried our credential.
func (w *watch) answer(a judge.Answer) {
	var again bool
	w.with(func(j *judge.Judge) {
		w.sync(j, a.At)
		again = j.Answer(a)
	})
	if again {
		select {
		case w.again <- a.Generation:
		default: // one is waiting already, and will read after this answer
		}
	}
}

// load takes in what the source holds.
func (w *watch) load(now time.Time) {
	w.with(func(j *judge.Judge) { w.sync(j, now) })
}

// sync looks at the source itself: a callback may come later than an answer to
// a request that already carried the new value.
func (w *watch) sync(j *judge.Judge, now time.Time) { j.Load(now, judged(w.source.Current())) }

func (w *watch) expiring(now time.Time) {
	w.with(func(j *judge.Judge) { j.Expiring(now) })
}

func (w *watch) rejected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.judge.Rejected()
}

// retire ends the watch: what still arrives is about a configuration that is gone.
func (w *watch) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retired = true
	w.settled.Store(0)
}

// with runs f and sends out what follows from it, in order.
func (w *watch) with(f func(*judge.Judge)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retired {
		return
	}
	before := w.judge.Next()
	f(w.judge)
	for _, fact := range w.judge.Take() {
		o := &fact.Observation
		o.Workload, o.Labels, o.Upstream = w.workload, w.labels, w.upstream
		w.emit(fact)
	}
	if generation, ok := w.judge.Settled(); ok {
		w.settled.Store(generation)
	} else {
		w.settled.Store(0)
	}
	w.quiet.Store(w.judge.Quiet())
	if next := w.judge.Next(); !next.IsZero() && (before.IsZero() || next.Before(before)) {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

// run does what takes time, until ctx ends.
func (w *watch) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case generation := <-w.again:
			w.confirm(ctx, generation)
		case <-w.kick:
		case <-timer.C:
			w.with(func(j *judge.Judge) { j.Tick(time.Now()) })
		}
		timer.Reset(w.untilNext())
	}
}

func (w *watch) untilNext() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if next := w.judge.Next(); !next.IsZero() && !w.retired {
		return max(time.Until(next), time.Millisecond)
	}
	return time.Hour
}

func (w *watch) confirm(ctx context.Context, generation uint64) {
	own, cancel := context.WithTimeout(ctx, rereadTimeout)
	defer cancel()
	w.source.Reread(own)
	if ctx.Err() != nil {
		return
	}
	w.with(func(j *judge.Judge) {
		now := time.Now()
		w.sync(j, now)
		j.Confirm(now, generation)
	})
}

func judged(s *credential.Snapshot) judge.Credential {
	c := judge.Credential{
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
