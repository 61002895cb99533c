package notifier

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

const statusFilter = "status.>"

// session is one term of leadership.
type session struct {
	*Service
	store    *store
	workers  map[string]*worker // by receiver
	silences silences
	asks     chan bus.Entry
	caughtUp atomic.Bool

	mu      sync.Mutex
	records map[string]known // by workload
	// conditions are those of the receivers that were not always well.
	conditions map[string]condition
	last       cursor // of the stream, looked at
	saved      progress
	// catchingUp is set while records since the cursor are read; newcomers do
	// not hear of those.
	catchingUp bool
}

// known is the newest record of a workload.
type known struct {
	events.Record
	seq uint64
}

func (s *Service) newSession() (*session, error) {
	n := &session{
		Service: s,
		workers: map[string]*worker{},
		records: map[string]known{},
		asks:    make(chan bus.Entry, 64),

		conditions: map[string]condition{},
		store: &store{
			bucket:    s.bus.Bucket(bus.BucketDeliveries),
			revisions: &revisions{},
			retry:     s.storeRetry,
		},
	}
	for _, c := range s.config.Receivers {
		w, err := newWorker(n, c)
		if err != nil {
			return nil, err
		}
		n.workers[c.Name] = w
	}
	return n, nil
}

// storeRetry waits before a row is written again: a broker that elects a leader
// is away for some seconds.
func (s *Service) storeRetry(ctx context.Context, attempt int) error {
	if attempt == 3 {
		s.log.Warn("deliveries cannot be stored, still trying")
	}
	if !pause(ctx, min(time.Duration(attempt)*100*time.Millisecond, time.Second)) {
		return context.Cause(ctx)
	}
	return nil
}

// run reads what was told and what is true, and then keeps both together. stop
// ends it in order, ctx at once.
func (n *session) run(stop, ctx context.Context) error {
	if err := n.load(stop); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	watch, cancel := context.WithCancel(stop)
	defer cancel()
	context.AfterFunc(ctx, cancel)
	if err := n.watchSilences(watch, g); err != nil {
		return err
	}
	if err := n.hydrate(watch); err != nil {
		return err
	}
	n.caughtUp.Store(true)
	for _, w := range n.workers {
		g.Go(func() error { return w.run(watch, ctx) })
	}
	g.Go(func() error { return n.follow(watch) })
	g.Go(func() error { return n.watchAsks(watch) })
	for range 4 { // a receiver that hangs in a test holds no other request up
		g.Go(func() error { return n.answerAsks(watch, ctx) })
	}
	g.Go(func() error { return n.keepCursor(watch, ctx) })
	g.Go(func() error { return n.beat(watch) })
	g.Go(func() error { return n.selfTest(watch) })
	return g.Wait()
}

// hydrate takes in the newest record of every workload, and every record since
// the cursor in order: an incident that came and went while nobody looked is
// found there.
func (n *session) hydrate(ctx context.Context) error {
	from := n.saved.cursor
	n.setCatchingUp(from.Sequence > 0)
	for attempt := 1; ; attempt++ {
		err := n.bus.Each(ctx, bus.StreamStatus, statusFilter, 0, true, func(m bus.Message) error {
			if !m.Created.Equal(from.Stream) {
				from = cursor{Stream: m.Created}
			}
			if from.Sequence == 0 || m.Sequence <= from.Sequence {
				n.observe(m)
			}
			return nil
		})
		if err == nil && from.Sequence > 0 {
			err = n.bus.Each(ctx, bus.StreamStatus, statusFilter, from.Sequence+1, false, func(m bus.Message) error {
				n.observe(m)
				return nil
			})
		}
		if err == nil {
			break
		}
		if err := n.storeRetry(ctx, attempt); err != nil {
			return fmt.Errorf("read the status of the workloads: %w", err)
		}
	}
	n.setCatchingUp(false)
	n.mu.Lock()
	for name, c := range n.conditions {
		n.announce(name, c)
	}
	n.mu.Unlock()
	now := n.clock.Now()
	for _, w := range n.workers {
		w.resume(now)
	}
	n.reroute()
	return nil
}

func (n *session) setCatchingUp(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.catchingUp = on
}

// follow takes in every record as it comes.
func (n *session) follow(ctx context.Context) error {
	n.mu.Lock()
	from := n.last.Sequence + 1
	n.mu.Unlock()
	err := n.bus.Follow(ctx, bus.StreamStatus, statusFilter, from, func(m bus.Message) error {
		n.observe(m)
		return nil
	})
	return ended(ctx, fmt.Errorf("follow the status of the workloads: %w", err))
}

// observe takes in one message of the STATUS stream.
func (n *session) observe(m bus.Message) {
	rec, err := events.ParseStatus(m.Event)
	if err != nil {
		n.log.Warn("a status is not understood", "subject", m.Subject, "sequence", m.Sequence, "err", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if old, ok := n.records[rec.Workload]; ok && old.seq > m.Sequence && n.last.Stream.Equal(m.Created) {
		return
	}
	k := known{rec, m.Sequence}
	n.records[rec.Workload] = k
	if m.Sequence > n.last.Sequence || !n.last.Stream.Equal(m.Created) {
		n.last = cursor{m.Sequence, m.Created}
	}
	n.dispatch(k)
}

// dispatch shows a record to the workers. A receiver that cannot be told about
// it is stood in for by its fallback. The caller holds the lock.
func (n *session) dispatch(k known) {
	now := n.clock.Now()
	told := map[string]plan.Policy{}
	notes := map[string]string{}
	until := n.silences.until(k.Record, now)
	for _, t := range n.config.Recipients(k.Record) {
		t.Policy.SilencedUntil = until
		n.choose(t, k, told, notes, now)
	}
	for name, w := range n.workers {
		if n.catchingUp && !slices.Contains(n.saved.Receivers, name) {
			continue
		}
		p := told[name]
		p.SendResolved, p.SilencedUntil = w.config.WantsResolved(), until
		w.observe(k, p, notes[name], now)
	}
}

// choose adds a receiver, and whoever stands in for it.
func (n *session) choose(t Told, k known, told map[string]plan.Policy, notes map[string]string, now time.Time) {
	for name := t.Receiver; ; {
		if _, ok := told[name]; !ok {
			told[name] = t.Policy
		}
		w := n.workers[name]
		why, lost := w.lost(k.Workload, now)
		if !lost || w.config.Fallback == "" {
			return
		}
		name = w.config.Fallback
		notes[name] = standIn(w.config.Name, why)
	}
}

// reroute decides again who is told about every workload, after a receiver or a
// silence came or went.
func (n *session) reroute() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.records {
		n.dispatch(k)
	}
}

// keepCursor stores now and then how far the rows reflect the stream.
func (n *session) keepCursor(stop, ctx context.Context) error {
	for pause(stop, time.Second) {
		if err := n.saveCursor(ctx); err != nil {
			return err
		}
	}
	return n.saveCursor(ctx)
}

func (n *session) saveCursor(ctx context.Context) error {
	n.mu.Lock()
	at := n.last
	n.mu.Unlock()
	for _, w := range n.workers {
		if low, ok := w.low(); ok && low <= at.Sequence {
			at.Sequence = low - 1
		}
	}
	back := at.Sequence < n.saved.Sequence && at.Stream.Equal(n.saved.Stream)
	names := slices.Sorted(maps.Keys(n.workers))
	if at.Sequence == 0 || back || at == n.saved.cursor && slices.Equal(names, n.saved.Receivers) {
		return nil
	}
	p := progress{at, names}
	if err := n.store.put(ctx, keyCursor, p); err != nil {
		return err
	}
	n.mu.Lock()
	n.saved = p
	n.mu.Unlock()
	return nil
}

// ended turns the end of a context into no error.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
