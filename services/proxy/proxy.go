// Package proxy stands in front of remote servers, attaches each workload's
// credential, passes everything else through untouched, and says as an event
// when the upstream stops accepting the credential, and when it does again.
//
// A request passes guard (may this client use the proxy?), forward (there and
// back, byte for byte) and verdict (what does the answer say about the
// credential?). What is worth telling goes through tracker (changes, not answers)
// to the outbox, which publishes beside the requests. None of them waits for
// the bus.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// Options are what a proxy needs.
type Options struct {
	Config  Config
	DataDir string // keeps its identity and unacknowledged events; empty: neither
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
	Trace   *trace.Tracer         // nil: off
}

// Proxy serves workloads.
type Proxy struct {
	bus      *bus.Bus
	identity *identity
	shared   *shared
	table    atomic.Pointer[table]

	mu      sync.Mutex // of reloads and the next one
	running *running
	ready   atomic.Bool
}

// New returns a proxy that listens nowhere yet.
func New(o Options) (*Proxy, error) {
	if problems := o.Config.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	id, err := openIdentity(o.DataDir, o.Log)
	if err != nil {
		return nil, err
	}
	m := newMetrics()
	roster := openRoster(id.dir, o.Log)
	publisher, err := newPublisher(id, o.Bus, m, roster.told, o.Trace, o.Log)
	if err != nil {
		id.close()
		return nil, err
	}
	p := &Proxy{bus: o.Bus, identity: id, shared: &shared{log: o.Log, metrics: m, publisher: publisher, roster: roster, leaseDue: newSignal(), via: newVia()}}
	t, err := (&table{}).next(o.Config, p.shared)
	if err != nil {
		id.close()
		return nil, err
	}
	p.table.Store(t)
	if o.Metrics != nil {
		o.Metrics.MustRegister(append(m.all(), &gauges{&p.table, publisher.outbox})...)
	}
	return p, nil
}

// Instance names this proxy on the bus; it stays the same over restarts.
func (p *Proxy) Instance() string { return p.identity.instance }

// Address is where the shared listener is open: the configured one, with the
// port that the system chose in place of 0. Empty while not running.
func (p *Proxy) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return ""
	}
	cfg := p.table.Load().cfg
	return p.running.listeners[cfg.listen()].ln.Addr().String()
}

// Ready reports whether every listener is open. It does not look at the bus or
// at upstreams: requests are served without the one, and a repair of the other
// must not wait for it.
func (p *Proxy) Ready() error {
	if !p.ready.Load() {
		return errors.New("the listeners are not open")
	}
	return nil
}

// Reload takes over another configuration: workloads are added, changed and
// removed; no stream is dropped. When it returns an error nothing has changed.
func (p *Proxy) Reload(cfg Config) error {
	if problems := cfg.Validate(); len(problems) > 0 {
		return problems[0]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next, err := p.table.Load().next(cfg, p.shared)
	if err != nil {
		return err
	}
	if p.running == nil {
		p.table.Store(next)
		return nil
	}
	return p.running.apply(next)
}

// Run serves until ctx ends. Then it stops listening, lets requests finish and
// publishes what it still holds, each for a few seconds.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.identity.close()
	p.bus.Needs(events.TypeUnauthorized+".*", events.TypeAuthorized+".*", events.TypeForbidden+".*",
		events.TypeLoaded+".*", events.TypeMissing+".*", events.TypeExpiring+".*", events.TypeRetired+".*")
	// Parts stop one after the other, so none lives on ctx itself.
	alive := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancel(alive)
	defer stopWork()
	r := newRunning(work, p.shared, &p.table)

	p.mu.Lock()
	err := r.apply(p.table.Load())
	if err == nil {
		p.running = r
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	var publishing sync.WaitGroup
	publish, stopPublishing := context.WithCancel(alive)
	defer stopPublishing()
	publishing.Go(func() {
		if err := p.shared.publisher.outbox.Run(publish); err != nil {
			p.shared.log.Error("events were not kept", "err", err)
		}
	})
	l := &lease{bus: p.bus, instance: p.identity.instance, table: &p.table, log: p.shared.log}
	r.wg.Go(func() { l.keep(work, p.shared.leaseDue) })
	p.ready.Store(true)

	select {
	case <-ctx.Done():
	case err = <-r.failed:
	}
	p.ready.Store(false)
	p.mu.Lock() // no reload comes after this one
	p.running = nil
	p.mu.Unlock()
	r.stop(alive, stopWork)
	stopPublishing()
	publishing.Wait()
	return err
}
