package notifier

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/silence"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

const statusFilter = "status.>"

// dispatcher shows the records of the STATUS stream to the queues of the
// receivers that the routes select. Where a receiver does not accept messages,
// its fallback stands in.
type dispatcher struct {
	config   Config
	bus      *bus.Bus
	clock    clock.Clock
	log      *slog.Logger
	store    *store
	queues   map[string]*queue // by receiver
	silences silence.Book

	mu      sync.Mutex
	records map[string]observed // the newest of each workload
	// health is that of the receivers that once did not accept messages.
	health map[string]receiverHealth
	last   cursor // the newest record taken in
	saved  progress
	// catchingUp is set while records since the cursor are read. New receivers
	// do not get those.
	catchingUp bool
}

type observed struct {
	events.Record
	sequence uint64
}

// restore takes in what is stored of receivers and of the cursor.
func (d *dispatcher) restore(saved progress, health map[string]receiverHealth) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved, d.health, d.records = saved, health, map[string]observed{}
}

// hydrate takes in the newest record of every workload, and every record since
// the cursor in order: so an incident is found that opened and closed while no
// notifier ran.
func (d *dispatcher) hydrate(ctx context.Context) error {
	from := d.saved.cursor
	d.setCatchingUp(from.Sequence > 0)
	retry := newRetry(d.log)
	for {
		err := d.bus.Each(ctx, bus.StreamStatus, statusFilter, 0, true, func(m bus.Message) error {
			if !m.Created.Equal(from.Stream) {
				from = cursor{Stream: m.Created}
			}
			if from.Sequence == 0 || m.Sequence <= from.Sequence {
				d.observe(m)
			}
			return nil
		})
		if err == nil && from.Sequence > 0 {
			err = d.bus.Each(ctx, bus.StreamStatus, statusFilter, from.Sequence+1, false, func(m bus.Message) error {
				d.observe(m)
				return nil
			})
		}
		if err == nil {
			break
		}
		if err := retry.wait(ctx, err); err != nil {
			return fmt.Errorf("read the status of the workloads: %w", err)
		}
	}
	d.setCatchingUp(false)
	return nil
}

// resume continues the deliveries that are stored, and decides who gets what.
func (d *dispatcher) resume() {
	for _, q := range d.queues {
		q.resume()
	}
	d.reroute()
}

func (d *dispatcher) setCatchingUp(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchingUp = on
}

// follow takes in every record as it is published.
func (d *dispatcher) follow(ctx context.Context) error {
	d.mu.Lock()
	from := d.last.Sequence + 1
	d.mu.Unlock()
	err := d.bus.Follow(ctx, bus.StreamStatus, statusFilter, from, func(m bus.Message) error {
		d.observe(m)
		return nil
	})
	if err != nil {
		return fmt.Errorf("follow the status of the workloads: %w", err)
	}
	return nil
}

// observe takes in one message of the STATUS stream.
func (d *dispatcher) observe(m bus.Message) {
	if events.Rebuilt(m.Event) {
		return // it was told when it was new
	}
	rec, err := events.ParseStatus(m.Event)
	if err != nil {
		d.log.Warn("status is not understood", "subject", m.Subject, "sequence", m.Sequence, "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.records[rec.Workload]; ok && old.sequence > m.Sequence && d.last.Stream.Equal(m.Created) {
		return
	}
	o := observed{rec, m.Sequence}
	d.records[rec.Workload] = o
	if m.Sequence > d.last.Sequence || !d.last.Stream.Equal(m.Created) {
		d.last = cursor{m.Sequence, m.Created}
	}
	d.dispatch(o)
}

// reroute decides again who gets the alerts of every workload, after a receiver
// or a silence changed.
func (d *dispatcher) reroute() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.records {
		d.dispatch(o)
	}
}

// dispatch shows a record to the queues. The caller holds the lock.
func (d *dispatcher) dispatch(o observed) {
	policies := map[string]plan.Policy{}
	notes := map[string]string{}
	for _, r := range d.config.recipients(o.Record) {
		d.choose(r, o.Workload, policies, notes)
	}
	silenced, _ := d.silences.For(o.Record, d.clock.Now())
	for name, q := range d.queues {
		if d.catchingUp && !slices.Contains(d.saved.Receivers, name) {
			continue
		}
		p := policies[name]
		p.SendResolved, p.SilencedUntil = q.config.WantsResolved(), silenced.Until
		q.observe(o.Record, o.sequence, p, notes[name])
	}
	d.warn(o)
}

// choose adds a receiver, and the fallbacks that stand in for it.
func (d *dispatcher) choose(r recipient, workload string, policies map[string]plan.Policy, notes map[string]string) {
	for name := r.Receiver; ; {
		if _, ok := policies[name]; !ok {
			policies[name] = r.Policy
		}
		why, lost := d.queues[name].lost(workload)
		next := d.queues[name].config.Fallback
		if !lost || next == "" {
			return
		}
		notes[next] = standInNote(name, why)
		name = next
	}
}

// watchSilences follows the silences, and returns when those that exist are
// known. Who gets alerts is decided again whenever one is added, ends or begins.
func (d *dispatcher) watchSilences(ctx context.Context, g *errgroup.Group) error {
	current := make(chan struct{})
	once := sync.OnceFunc(func() { close(current) })
	g.Go(func() error {
		return d.bus.Bucket(bus.BucketSilences).Watch(ctx, ">", func(e bus.Entry) {
			s, ok := d.silences.Take(e)
			if ok {
				d.log.Info("alerts are silenced", "id", s.ID, "by", s.By, "from", s.From, "until", s.Until, "comment", s.Comment)
			} else {
				d.log.Info("a silence has ended", "id", e.Key)
			}
			d.reroute()
			if wait := s.From.Sub(d.clock.Now()); ok && wait > 0 {
				go d.rerouteAfter(ctx, wait)
			}
		}, bus.OnCurrent(once))
	})
	select {
	case <-current:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *dispatcher) rerouteAfter(ctx context.Context, wait time.Duration) {
	select {
	case <-d.clock.After(wait):
		d.reroute()
	case <-ctx.Done():
	}
}

// keepCursor stores every second, and at the end, how far the rows reflect the
// stream.
func (d *dispatcher) keepCursor(ctx context.Context, draining <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-draining:
			return d.saveCursor(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := d.saveCursor(ctx); err != nil {
			return err
		}
	}
}

func (d *dispatcher) saveCursor(ctx context.Context) error {
	d.mu.Lock()
	at := d.last
	d.mu.Unlock()
	for _, q := range d.queues {
		if low, ok := q.low(); ok && low <= at.Sequence {
			at.Sequence = low - 1
		}
	}
	back := at.Sequence < d.saved.Sequence && at.Stream.Equal(d.saved.Stream)
	names := slices.Sorted(maps.Keys(d.queues))
	if at.Sequence == 0 || back || at == d.saved.cursor && slices.Equal(names, d.saved.Receivers) {
		return nil
	}
	p := progress{at, names}
	if err := d.store.put(ctx, keyCursor, p); err != nil {
		return err
	}
	d.mu.Lock()
	d.saved = p
	d.mu.Unlock()
	return nil
}
