package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/services/internal/bus"
)

// session is one term of leadership.
type session struct {
	options    Options
	metrics    *metrics
	store      *store
	queues     map[string]*queue // by receiver
	workers    map[string]*worker
	dispatcher *dispatcher
	changes    chan change
	caughtUp   atomic.Bool
}

func newSession(o Options, m *metrics) (*session, error) {
	n := &session{
		options: o, metrics: m,
		store:   newStore(o.Bus.Bucket(bus.BucketDeliveries), o.Log),
		queues:  map[string]*queue{},
		workers: map[string]*worker{},
		changes: make(chan change),
	}
	published := &receipts{bus: o.Bus, clock: o.clock, log: o.Log}
	for _, c := range o.Config.Receivers {
		s, err := newSender(c, o)
		if err != nil {
			return nil, err
		}
		q := newQueue(c, o.clock, o.Log)
		n.queues[c.Name] = q
		n.workers[c.Name] = &worker{
			queue: q, sender: s, store: n.store, receipts: published, metrics: m, clock: o.clock, changes: n.changes,
			tests: make(chan test), testing: make(chan struct{}, maxTests),
		}
	}
	n.dispatcher = &dispatcher{
		config: o.Config, bus: o.Bus, clock: o.clock, log: o.Log, store: n.store, queues: n.queues,
	}
	return n, nil
}

// run reads what is stored and what is true, and then sends the difference. When
// draining is closed it ends after the attempts in progress; when ctx ends, at
// once.
func (n *session) run(ctx context.Context, draining <-chan struct{}) error {
	n.metrics.lead(n.queues)
	defer n.metrics.lead(nil)
	g, ctx := errgroup.WithContext(ctx)
	reading, stop := until(ctx, draining)
	defer stop()
	if err := n.load(reading); err != nil {
		return err
	}
	if err := n.dispatcher.watchSilences(reading, g); err != nil {
		return err
	}
	if err := n.dispatcher.hydrate(reading); err != nil {
		return err
	}
	n.dispatcher.announceAll()
	n.dispatcher.resume()
	n.caughtUp.Store(true)
	g.Go(func() error {
		defer close(n.changes)
		return n.deliver(ctx, draining)
	})
	g.Go(func() error { return n.dispatcher.failOver(ctx, n.changes) })
	g.Go(func() error { return n.dispatcher.follow(reading) })
	g.Go(func() error { return n.dispatcher.keepCursor(ctx, draining) })
	g.Go(func() error { return n.dispatcher.keepWarning(reading) })
	g.Go(func() error { return n.dispatcher.keepMaintenance(reading) })
	g.Go(func() error {
		h := &commandHandler{n.options.Config.Receivers, n.workers}
		return h.serve(ctx, draining, n.options.Bus)
	})
	g.Go(func() error {
		return selfTest(ctx, draining, n.options.Config.SelfTest, n.workers, n.options.clock)
	})
	g.Go(func() error {
		heartbeat(reading, n.options.Config.Heartbeat, n.options.Bus.Ready, n.options.clock, n.options.Log)
		return nil
	})
	return g.Wait()
}

// deliver runs the workers.
func (n *session) deliver(ctx context.Context, draining <-chan struct{}) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range n.workers {
		g.Go(func() error { return w.run(ctx, draining) })
	}
	return g.Wait()
}

// load takes in what is stored. What belongs to a receiver that is not configured
// any more is removed: a name that comes back starts anew.
func (n *session) load(ctx context.Context) error {
	entries, err := n.store.load(ctx)
	if err != nil {
		return fmt.Errorf("read the deliveries: %w", err)
	}
	var saved progress
	health := map[string]receiverHealth{}
	for _, e := range entries {
		keep := true
		if name, workload, ok := parseRowKey(e.Key); ok {
			q := n.queues[name]
			keep = q != nil && q.load(workload, e.Value)
		} else if name, ok := strings.CutPrefix(e.Key, keyReceiver); ok {
			var h receiverHealth
			q := n.queues[name]
			if keep = q != nil && json.Unmarshal(e.Value, &h) == nil; keep {
				health[name] = q.restore(h)
			}
		} else if e.Key == keyCursor {
			keep = json.Unmarshal(e.Value, &saved) == nil
		}
		if !keep {
			if err := n.store.remove(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	n.dispatcher.restore(saved, health)
	return nil
}
