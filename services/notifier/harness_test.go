package notifier

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// stage is a broker and the truth about workloads on it.
type stage struct {
	t     *testing.T
	bus   *bus.Bus
	clock *manualClock // nil: the wall clock

	service *Service // the last one started

	mu    sync.Mutex
	truth map[string]events.Record
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return &stage{t: t, bus: natstest.Bus(t), truth: map[string]events.Record{}}
}

// newStillStage is a stage whose clock only moves when it is told to.
func newStillStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	s.clock = newClock()
	return s
}

// sink starts a receiver that reads the stage's clock.
func (s *stage) sink(script ...string) *sink {
	k := newSink(s.t, script...)
	k.now = s.now
	return k
}

// passing lets time go by, a step at a time, until ok.
func (s *stage) passing(step time.Duration, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		if ok() {
			return true
		}
		s.clock.move(step)
		return false
	}, 20*time.Second, 3*time.Millisecond)
}

// die opens an incident of each workload and tells the bus; recover closes it.
func (s *stage) die(names ...string)     { s.publish(true, names...) }
func (s *stage) recover(names ...string) { s.publish(false, names...) }

func (s *stage) publish(bad bool, names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.mu.Lock()
		rec := next(s.truth[name], name, bad, s.now())
		s.truth[name] = rec
		s.mu.Unlock()
		s.say(rec)
	}
}

func (s *stage) now() time.Time {
	if s.clock != nil {
		return s.clock.Now()
	}
	return time.Now()
}

// say publishes a record as it is.
func (s *stage) say(rec events.Record) {
	s.t.Helper()
	e, err := events.New(events.TypeStatusChanged, "urn:authwatch:status:test", rec.Workload, time.Now(), rec)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool { return s.bus.Publish(s.t.Context(), e) == nil }, 20*time.Second, 10*time.Millisecond)
}

// next is a workload's record after its credential died or was accepted.
func next(rec events.Record, name string, bad bool, now time.Time) events.Record {
	rec.Workload, rec.Previous, rec.Since = name, rec.Status, now.UTC()
	rec.Credential = &events.Credential{Fingerprint: "f00d", Source: "file /run/secrets/token"}
	if bad {
		rec.Incidents++
		rec.Incident = events.NewID(now)
		rec.Status, rec.Reason = events.StatusUnauthenticated, "invalid_token"
		rec.Message = name + ": put a new token into /run/secrets/token."
		return rec
	}
	rec.LastIncident = &events.Incident{ID: rec.Incident, Opened: now.Add(-time.Second), Closed: now.UTC(), Reason: rec.Reason}
	rec.Incident, rec.Reason, rec.Message, rec.Status = "", "", "", events.StatusRunning
	return rec
}

// notify runs a notifier that leads until the returned function is called, or
// the test ends.
func (s *stage) notify(c Config) (stop func()) {
	s.t.Helper()
	n, stop := s.start(c)
	s.service = n
	require.Eventually(s.t, func() bool {
		session := n.session.Load()
		return session != nil && session.caughtUp.Load()
	}, 20*time.Second, 2*time.Millisecond)
	return stop
}

// start runs a notifier, leading or not.
func (s *stage) start(c Config, opts ...func(*Options)) (n *Service, stop func()) {
	s.t.Helper()
	o := Options{Config: c, Instance: "test", Bus: s.bus, Log: testLog(s.t)}
	if s.clock != nil {
		o.clock = s.clock
	}
	for _, opt := range opts {
		opt(&o)
	}
	n, err := New(o)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
	s.t.Cleanup(stop)
	return n, stop
}

func testLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// seen waits until the notifier knows the truth about every workload.
func (s *stage) seen() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		session := s.service.session.Load()
		d := session.dispatcher
		d.mu.Lock()
		defer d.mu.Unlock()
		for name, rec := range s.truth {
			if d.records[name].Incident != rec.Incident {
				return false
			}
		}
		return true
	}, 20*time.Second, time.Millisecond)
}

// receiptsOf waits for n receipts of that type and workload, oldest first.
func (s *stage) receiptsOf(n int, typ, workload string) []events.Receipt {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.receipts(typ, workload)) >= n }, 20*time.Second, 5*time.Millisecond)
	all := s.receipts(typ, workload)
	require.Len(s.t, all, n)
	return all
}

// receipts are the receipts of that type and workload so far, oldest first.
func (s *stage) receipts(typ, workload string) []events.Receipt {
	s.t.Helper()
	var all []events.Receipt
	err := s.bus.Each(s.t.Context(), bus.StreamAlert, events.Subject(typ, workload), 0, false, func(m bus.Message) error {
		r, err := events.ParseReceipt(m.Event)
		all = append(all, r)
		return err
	})
	require.NoError(s.t, err)
	return all
}

// one is the configuration of receivers that are told of everything.
func one(rs ...receiver.Config) Config {
	c := Config{Receivers: rs, Routes: []Route{{}}}
	for _, r := range rs {
		c.Routes[0].Receivers = append(c.Routes[0].Receivers, r.Name)
	}
	return c
}

// manualClock stands still until it is moved.
type manualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []manualTimer
}

type manualTimer struct {
	at time.Time
	ch chan time.Time
}

func newClock() *manualClock {
	return &manualClock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.now
		return ch
	}
	c.timers = append(c.timers, manualTimer{c.now.Add(d), ch})
	return ch
}

// move lets time go by.
func (c *manualClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var left []manualTimer
	for _, t := range c.timers {
		if t.at.After(c.now) {
			left = append(left, t)
			continue
		}
		t.ch <- c.now
	}
	c.timers = left
}

// keys are those that the notifier's bucket has.
func (s *stage) keys() []string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	there := map[string]bool{}
	require.NoError(s.t, s.bus.Bucket(bus.BucketDeliveries).Watch(ctx, ">", func(e bus.Entry) {
		if !e.Deleted {
			there[e.Key] = true
		}
	}, bus.OnCurrent(cancel)))
	return slices.Sorted(maps.Keys(there))
}
