package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

const (
	// rereadTimeout bounds the second look at the source before a rejection is
	// believed. A source that cannot be asked does not save the credential.
	rereadTimeout = 10 * time.Second
	// questionTimeout bounds the question that decides what is suspected.
	questionTimeout = 2 * time.Second
	// rulingTimeout bounds how long a shielded client waits for that: questions are
	// a second apart.
	rulingTimeout = questionTimeout + time.Second
	// sampleEvery is how often an acceptance is observed that changes nothing.
	sampleEvery = time.Second
)

// credentialSource is where a workload's credential comes from.
type credentialSource interface {
	Current() *credential.Snapshot
	Reread(ctx context.Context) *credential.Snapshot
}

// observer runs the tracker of one workload: it adds the clock, rereads the
// credential, asks the upstream and publishes the facts. Only a shielded client
// waits for it, in [observer.rule].
type observer struct {
	name      string // of the workload
	labels    map[string]string
	upstream  string
	source    credentialSource
	publisher *publisher
	// question asks the upstream. Its answer is always one, of verdict Nothing where
	// none came.
	question func(ctx context.Context, s *credential.Snapshot) tracker.Answer

	// settled is the generation whose acceptances change nothing; 0: none.
	settled atomic.Uint64
	sampled atomic.Int64 // unix nanoseconds of the latest of these that was observed

	mu      sync.Mutex
	tracker *tracker.Tracker
	retired bool
	waiting int           // requests in rule
	changed chan struct{} // closed, and made anew, when something was taken in

	sessionMu sync.Mutex
	sessions  *tracker.Sessions

	again chan uint64 // generations to read the source again for
	kick  signal      // something may be due earlier
}

func (o *observer) init(options tracker.Options) {
	o.tracker = tracker.New(options)
	o.sessions = tracker.NewSessions()
	o.changed = make(chan struct{})
	o.again = make(chan uint64, 1)
	o.kick = newSignal()
}

// answer takes in an answer to a request that carried our credential.
func (o *observer) answer(a tracker.Answer) {
	reread := false
	o.with(func(t *tracker.Tracker) {
		o.sync(t, a.At)
		reread = t.Observe(a)
	})
	if reread {
		o.reread(a.Generation)
	}
}

func (o *observer) reread(generation uint64) {
	select {
	case o.again <- generation:
	default: // one is waiting already, and will read after this answer
	}
}

// needless reports whether an acceptance need not be observed.
func (o *observer) needless(generation uint64, now time.Time) bool {
	if o.settled.Load() != generation {
		return false
	}
	last := o.sampled.Load()
	return now.UnixNano()-last < int64(sampleEvery) || !o.sampled.CompareAndSwap(last, now.UnixNano())
}

// finding is what is known of a rejection.
type finding struct {
	ruling    tracker.Ruling
	elsewhere *events.Acceptance // what is accepted meanwhile
	accepted  bool               // the credential was accepted before
}

// rule waits until it is known what a rejection meant, for a bounded time.
func (o *observer) rule(ctx context.Context, a tracker.Answer) finding {
	own, cancel := context.WithTimeout(ctx, rulingTimeout)
	defer cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting++
	defer func() { o.waiting-- }()
	for {
		ruling, changed := o.tracker.Rule(a), o.changed
		if ruling != tracker.Pending || o.retired || own.Err() != nil {
			return finding{ruling, o.tracker.Elsewhere(), o.tracker.Accepted()}
		}
		o.mu.Unlock()
		select {
		case <-changed:
		case <-own.Done():
		}
		o.mu.Lock()
	}
}

// opened takes in that a request, sent at, opened a session.
func (o *observer) opened(id string, at time.Time, generation uint64) {
	o.sessionMu.Lock()
	defer o.sessionMu.Unlock()
	o.sessions.Open(id, at, generation)
}

func (o *observer) session(id string) tracker.Session {
	o.sessionMu.Lock()
	defer o.sessionMu.Unlock()
	return o.sessions.Of(id)
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

// lostSessions counts the rejections that were about a session.
func (o *observer) lostSessions() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tracker.Lost()
}

// retire ends the observation: what still arrives is about a configuration that
// is gone.
func (o *observer) retire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retired = true
	o.settled.Store(0)
	o.wake()
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
		f.Workload, f.Labels, f.Upstream = o.name, o.labels, o.upstream
		o.publisher.publish(fact)
	}
	if generation, ok := o.tracker.Settled(); ok {
		o.settled.Store(generation)
	} else {
		o.settled.Store(0)
	}
	o.wake()
	if next := o.tracker.Next(); !next.IsZero() && (before.IsZero() || next.Before(before)) {
		o.kick.raise()
	}
}

// wake lets those who wait look again.
func (o *observer) wake() {
	if o.waiting > 0 {
		close(o.changed)
		o.changed = make(chan struct{})
	}
}

// run does what takes time, until ctx ends.
func (o *observer) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { o.rereads(ctx) })
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(o.untilNext())
		select {
		case <-ctx.Done():
			return
		case <-o.kick:
		case <-timer.C:
		}
		ask := false
		o.with(func(t *tracker.Tracker) {
			now := time.Now()
			t.Tick(now)
			_, ask = t.Ask(now)
		})
		if ask {
			wg.Go(func() { o.ask(ctx) })
		}
	}
}

func (o *observer) untilNext() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if next := o.tracker.Next(); !next.IsZero() && !o.retired {
		return max(time.Until(next), 0)
	}
	return time.Hour
}

// ask puts the question. It is about the value that is in use by then.
func (o *observer) ask(ctx context.Context) {
	own, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	a := tracker.Answer{Generation: o.source.Current().Generation, Sent: time.Now()}
	if s := o.source.Current(); s.Usable() {
		a = o.question(own, s)
	}
	if ctx.Err() != nil {
		a.Verdict = verdict.Nothing
	}
	a.At = time.Now()
	reread := false
	o.with(func(t *tracker.Tracker) {
		o.sync(t, a.At)
		reread = t.Answered(a)
	})
	if reread {
		o.reread(a.Generation)
	}
}

func (o *observer) rereads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case generation := <-o.again:
			o.confirm(ctx, generation)
		}
	}
}

func (o *observer) confirm(ctx context.Context, generation uint64) {
	own, cancel := context.WithTimeout(ctx, rereadTimeout)
	defer cancel()
	started := time.Now()
	o.source.Reread(own)
	if ctx.Err() != nil {
		return
	}
	o.with(func(t *tracker.Tracker) {
		now := time.Now()
		o.sync(t, now)
		t.Confirm(now, started, generation)
	})
}

func tracked(s *credential.Snapshot) tracker.Credential {
	c := tracker.Credential{
		Generation: s.Generation, Usable: s.Usable(), Problem: s.Problem, Detail: s.Detail,
		Info: events.Credential{Fingerprint: s.Fingerprint, Source: s.Source, Scheme: s.Scheme},
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
