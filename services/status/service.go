package status

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/internal/presence"
	"github.com/authwatch/authwatch/services/internal/silence"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/status/api"
	"github.com/authwatch/authwatch/services/status/page"
)

//go:embed openapi.yaml
var openapi []byte

// workers handle observations of different workloads at once.
const workers = 32

// retiredShown is how long a workload is listed that was taken out of service.
const retiredShown = 24 * time.Hour

// Options are what a Service is made of.
type Options struct {
	Config  Config
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
	Trace   *trace.Tracer         // nil: off
}

// Service records the status of the workloads and serves it.
type Service struct {
	cfg      Config
	bus      *bus.Bus
	log      *slog.Logger
	metrics  *metrics
	view     *view
	proxies  *proxies
	silences silence.Book
	recorder *recorder
	trimmer  *trimmer
	reader   *reader
	retry    retrier
	handler  http.Handler
	addr     atomic.Value // string
}

// New wires a service and starts nothing.
func New(o Options) (*Service, error) {
	if problems := o.Config.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("status.%s: %s", problems[0].Path, problems[0].Text)
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	s := &Service{
		cfg: o.Config, bus: o.Bus, log: o.Log,
		metrics: newMetrics(o.Metrics), view: newView(), proxies: newProxies(o.Log), retry: retrier{o.Log},
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(workloadMetrics(s.Workloads))
	}
	feed := api.NewFeed()
	s.reader = &reader{bus: o.Bus, view: s.view, feed: feed, retry: s.retry, log: o.Log}
	s.recorder = newRecorder(o.Bus, s.view, s.proxies, o.Log, s.metrics, o.Trace)
	s.trimmer = newTrimmer(s)
	s.recorder.full = s.trimmer.soon
	front := api.New(s, o.Bus, feed, openapi)
	pages, err := page.New(s, front, o.Bus.Ready)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", front.Handler())
	mux.Handle("/openapi.yaml", front.Handler())
	mux.Handle("/", pages.Handler())
	hosts := listen.Hosts{Listen: o.Config.listen(), Allowed: o.Config.AllowedHosts}
	s.handler = hosts.Handler(api.Bound(mux).ServeHTTP, func(w http.ResponseWriter, _ *http.Request) {
		api.Problem(w, http.StatusForbidden, "this Host is not served here; add it to status.allowed_hosts")
	})
	return s, nil
}

// address is where Run listens; empty before it does.
func (s *Service) address() string {
	addr, _ := s.addr.Load().(string)
	return addr
}

// Ready is an error until the records were read from the stream. Whether the
// broker takes writes is for the bus to say.
func (s *Service) Ready() error {
	if !s.reader.hydrated.Load() {
		return errors.New("the records have not been read from the STATUS stream yet")
	}
	return nil
}

// Workloads implements [api.Reader].
func (s *Service) Workloads() []api.Workload {
	by := s.proxies.serving()
	records := s.view.records()
	all := make([]api.Workload, 0, len(records)+len(by))
	for _, r := range records {
		if r.Status == events.StatusRetired && s.proxies.now().Sub(r.Since) > retiredShown {
			continue // its history stays
		}
		all = append(all, s.present(r, by[r.Workload]))
		delete(by, r.Workload)
	}
	for name, leases := range by {
		all = append(all, present(unobserved(name, leases), leases))
	}
	if len(by) > 0 {
		slices.SortFunc(all, func(a, b api.Workload) int { return strings.Compare(a.Workload, b.Workload) })
	}
	return all
}

// Workload implements [api.Reader].
func (s *Service) Workload(name string) (api.Workload, bool) {
	by := s.proxies.serving()[name]
	v, ok := s.view.get(name)
	switch {
	case ok:
		return s.present(v.record, by), true
	case len(by) > 0:
		return present(unobserved(name, by), by), true
	}
	return api.Workload{}, false
}

func (s *Service) present(r events.Record, by []presence.Served) api.Workload {
	w := present(r, by)
	if silence, ok := s.silences.For(r, time.Now()); ok {
		w.Silenced = &silence
	}
	return w
}

// Run serves and records until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.bus.Needs(events.TypeStatusChanged+".*", events.TypeStatusUpdated+".*", bus.DeadSubject("status"))
	s.bus.NeedsStreams(bus.StreamAuth)
	listener, err := listen.Open(ctx, "listen", s.cfg.listen())
	if err != nil {
		return err
	}
	s.addr.Store(listener.Addr().String())
	s.log.Info("status is served", "addr", listener.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serve(ctx, listener) })
	group.Go(func() error { return s.retry.again(ctx, "watch leases", s.watchLeases) })
	group.Go(func() error { return s.trimmer.run(ctx) })
	group.Go(func() error { return s.retry.again(ctx, "watch silences", s.watchSilences) })
	group.Go(func() error {
		last, done := s.reader.hydrate(ctx)
		if !done {
			return nil
		}
		group.Go(func() error {
			return s.rebuildAfterResets(ctx, func() {
				group.Go(func() error { return s.reader.follow(ctx, last) })
			})
		})
		return s.retry.again(ctx, "consume observations", s.consume)
	})
	return group.Wait()
}

func (s *Service) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the feeds
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve status: %w", err)
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(within); err != nil {
		return fmt.Errorf("stop serving status: %w", err)
	}
	return nil
}

func (s *Service) consume(ctx context.Context) error {
	return s.bus.Consume(ctx, bus.Consumer{Stream: bus.StreamAuth, Durable: bus.DurableStatus, Workers: workers},
		func(ctx context.Context, m bus.Message) error {
			s.metrics.inflight.begin(m.Sequence, m.Stored)
			err := s.recorder.handle(ctx, m)
			switch {
			case err == nil:
				s.metrics.handled.Inc()
				s.metrics.delay.Observe(time.Since(m.Stored).Seconds())
			case errors.Is(err, errUnusable):
				err = bus.Terminal(err)
			default:
				return err // and it stays in flight
			}
			s.metrics.inflight.end(m.Sequence)
			return err
		})
}

func (s *Service) watchLeases(ctx context.Context) error {
	return s.bus.Bucket(bus.BucketLeases).Watch(ctx, presence.Keys, s.proxies.take, bus.OnCurrent(s.proxies.known))
}

func (s *Service) watchSilences(ctx context.Context) error {
	return s.bus.Bucket(bus.BucketSilences).Watch(ctx, ">", func(e bus.Entry) { s.silences.Take(e) })
}
