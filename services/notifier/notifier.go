package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// source is the same for every replica: a message that another one repeats after
// a crash is the same event, by source and id.
const source = "urn:authwatch:notifier"

// Options are what a notifier is made of.
type Options struct {
	Config   Config
	Instance string // names this replica; the host's name if empty
	Bus      *bus.Bus
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Trace    *trace.Tracer // nil: off

	clock clock // for tests
}

// Service is the notifier.
type Service struct {
	config  Config
	bus     *bus.Bus
	log     *slog.Logger
	clock   clock
	lease   *lease
	metrics *metrics
	trace   *trace.Tracer

	session atomic.Pointer[session] // while this replica leads
}

// New makes a notifier of a configuration without problems. It starts nothing.
func New(o Options) (*Service, error) {
	if ps := o.Config.Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("notifier: %w", ps[0])
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Instance == "" {
		o.Instance, _ = os.Hostname()
	}
	if o.clock == nil {
		o.clock = wallClock{}
	}
	s := &Service{
		config: o.Config, bus: o.Bus, log: o.Log, clock: o.clock, trace: o.Trace,
	}
	s.metrics = newMetrics(s)
	if o.Metrics != nil {
		if err := o.Metrics.Register(s.metrics); err != nil {
			return nil, fmt.Errorf("notifier: metrics: %w", err)
		}
	}
	s.lease = &lease{
		bucket: o.Bus.Bucket(bus.BucketLeases),
		holder: o.Instance + " " + events.NewID(time.Now()),
		log:    o.Log,
	}
	return s, nil
}

// Run leads or stands by until ctx ends; then it finishes the attempts under way
// and gives the lease back.
func (s *Service) Run(ctx context.Context) error {
	s.bus.Needs(events.TypeAlertDelivered+".*", events.TypeAlertFailed+".*")
	return s.lease.run(ctx, func(stop, ctx context.Context) error {
		session, err := s.newSession()
		if err != nil {
			return err
		}
		s.session.Store(session)
		defer s.session.Store(nil)
		return session.run(stop, ctx)
	})
}

// Ready says why nobody can be told just now. A replica that stands by is ready.
func (s *Service) Ready() error {
	if err := s.bus.Ready(); err != nil {
		return err
	}
	if session := s.session.Load(); session != nil && !session.caughtUp.Load() {
		return errors.New("reading the status of the workloads")
	}
	return nil
}
