package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// Service is the notifier.
type Service struct {
	options Options
	lease   *lease
	metrics *metrics

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
		o.clock = clock.Wall{}
	}
	s := &Service{options: o, metrics: newMetrics(o.Config.Receivers)}
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

// Run leads or stands by until ctx ends. Then it finishes the attempts in
// progress and releases the lease.
func (s *Service) Run(ctx context.Context) error {
	s.options.Bus.Needs(events.TypeAlertDelivered+".*", events.TypeAlertFailed+".*")
	s.options.Bus.NeedsBuckets(bus.BucketDeliveries, bus.BucketSilences)
	s.options.Bus.NeedsStreams(bus.StreamStatus)
	return s.lease.run(ctx, func(ctx context.Context, draining <-chan struct{}) error {
		session, err := newSession(s.options, s.metrics)
		if err != nil {
			return err
		}
		s.session.Store(session)
		defer s.session.Store(nil)
		return session.run(ctx, draining)
	})
}

// Ready says why no alert can be sent now. A replica that stands by is ready.
func (s *Service) Ready() error {
	if err := s.options.Bus.Ready(); err != nil {
		return err
	}
	if session := s.session.Load(); session != nil && !session.caughtUp.Load() {
		return errors.New("reading the status of the workloads")
	}
	return nil
}
