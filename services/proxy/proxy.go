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
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy/guard"
	"github.com/authwatch/authwatch/services/proxy/outbox"
	"github.com/authwatch/authwatch/services/proxy/tracker"
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
	o        Options
	identity *identity
	outbox   *outbox.Outbox
	metrics  *metrics
	table    atomic.Pointer[table]
	leaseDue chan struct{}

	mu      sync.Mutex // of reloads, and the two below
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
	p := &Proxy{o: o, identity: id, leaseDue: make(chan struct{}, 1)}
	p.table.Store(&table{})
	p.outbox, err = outbox.Open(outbox.Options{
		Dir: id.dir, Publisher: o.Bus, Log: o.Log,
		Refused: func(err error) bool { return errors.Is(err, bus.ErrRefused) },
		Acknowledged: func(e event.Event, lag time.Duration) {
			p.metrics.published.WithLabelValues(e.Type()).Inc()
			p.metrics.lag.Observe(lag.Seconds())
			p.published(e, time.Now())
		},
	})
	if err != nil {
		id.close()
		return nil, err
	}
	p.metrics = newMetrics(o.Metrics, p)
	t, err := p.build(o.Config)
	if err != nil {
		id.close()
		return nil, err
	}
	p.table.Store(t)
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

// running is what belongs to one call of Run.
type running struct {
	ctx       context.Context
	wg        sync.WaitGroup
	failed    chan error
	listeners map[string]*listener
	stops     map[*workload]context.CancelFunc

	clients     *guard.Tokens // that are followed; nil: none
	stopClients context.CancelFunc
}

// Run serves until ctx ends. Then it stops listening, lets requests finish and
// publishes what it still holds, each for a few seconds.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.identity.close()
	p.o.Bus.Needs(events.TypeUnauthorized+".*", events.TypeAuthorized+".*", events.TypeForbidden+".*",
		events.TypeLoaded+".*", events.TypeMissing+".*", events.TypeExpiring+".*")
	// Parts stop one after the other, so none lives on ctx itself.
	alive := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancel(alive)
	defer stopWork()
	r := &running{ctx: work, failed: make(chan error, 1), listeners: map[string]*listener{}, stops: map[*workload]context.CancelFunc{}}

	p.mu.Lock()
	p.running = r
	err := p.apply(p.table.Load())
	p.mu.Unlock()
	if err != nil {
		return err
	}
	var publishing sync.WaitGroup
	publish, stopPublishing := context.WithCancel(alive)
	defer stopPublishing()
	publishing.Go(func() {
		if err := p.outbox.Run(publish); err != nil {
			p.o.Log.Error("events were not kept", "err", err)
		}
	})
	r.wg.Go(func() { p.keepLease(work) })
	p.ready.Store(true)

	select {
	case <-ctx.Done():
	case err = <-r.failed:
	}
	p.ready.Store(false)
	p.stopListening(alive, r)
	stopWork()
	r.wg.Wait()
	stopPublishing()
	publishing.Wait()
	return err
}

func (p *Proxy) stopListening(ctx context.Context, r *running) {
	p.mu.Lock()
	open := maps.Clone(r.listeners)
	p.running = nil
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range open {
		wg.Go(func() { l.stop(ctx) })
	}
	wg.Wait()
}

// observe takes a fact to the outbox.
func (p *Proxy) observe(f tracker.Fact) {
	o := f.Observation
	e, err := events.New(f.Type, p.identity.source(), o.Workload, f.At, o)
	if err != nil {
		p.o.Log.Error("an observation cannot be told", "workload", o.Workload, "type", f.Type, "err", err)
		return
	}
	if !f.Again { // no request led to what is said again
		events.SetTraceParent(&e, p.begin(f))
	}
	p.outbox.Add(e)
	p.log(f.Type, o)
}

// log says what changed; the event holds the rest.
func (p *Proxy) log(typ string, o events.Observation) {
	attrs := []any{"workload", o.Workload, "type", typ}
	if o.Credential != nil {
		attrs = append(attrs, "credential", o.Credential.Fingerprint, "source", o.Credential.Source)
	}
	if o.Response != nil {
		attrs = append(attrs, "status", o.Response.Status)
	}
	if o.Problem != "" {
		attrs = append(attrs, "problem", o.Problem, "detail", o.Detail)
	}
	switch typ {
	case events.TypeUnauthorized, events.TypeMissing:
		p.o.Log.Warn("credential is not accepted", attrs...)
	default:
		p.o.Log.Info("credential observed", attrs...)
	}
}

func wrongClients(err error) error { return fmt.Errorf("client_auth.bearer_token_file: %w", err) }
