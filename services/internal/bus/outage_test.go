package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestPublishToABrokerThatIsDownFailsAtOnceAndNeverArrivesLater(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	s.Stop()
	for n := range int64(50) {
		require.ErrorIs(t, b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", 100+n)), bus.ErrUnavailable)
	}
	_, err := b.Last(t.Context(), bus.StreamAuth, "auth.>")
	require.ErrorIs(t, err, bus.ErrUnavailable)

	s.Restart()
	again := observation(t, events.TypeUnauthorized, "github", 2)
	eventually(t, func() bool { return b.Publish(t.Context(), again) == nil }, "it is back")
	history, err := b.History(t.Context(), bus.StreamAuth, "auth.>", 100)
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 1}, sequences(history))
	require.Equal(t, int64(2), number(t, history[0]))
}

// hanging returns an event for a subject where somebody listens and nobody
// answers: a broker that hangs.
func hanging(t *testing.T, s *natstest.Server) (event.Event, *nats.Subscription) {
	t.Helper()
	nc := client(t, s)
	sub, err := nc.SubscribeSync("hangs.>")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return observation(t, "hangs", "github", 1), sub
}

func TestCallUnderWayFailsWhenTheConnectionIsLost(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	e, sub := hanging(t, s)
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), e) }()
	_, err := sub.NextMsg(5 * time.Second)
	require.NoError(t, err)
	s.Stop()
	err = <-done
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.ErrorContains(t, err, "connection was lost")
}

func TestCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	e, _ := hanging(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := b.Publish(ctx, e)
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestBusConnectsToABrokerThatStartsLater(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	s.Stop()
	b := s.Connect(t)
	require.Error(t, b.Ready())
	require.ErrorIs(t, b.Publish(t.Context(), observation(t, events.TypeLoaded, "github", 0)), bus.ErrUnavailable)
	s.Restart()
	eventually(t, func() bool { return b.Provision(t.Context(), 1) == nil }, "it connects")
	eventually(t, func() bool { return b.Ready() == nil }, "it is ready")
}

func TestFollowGoesOnWhereItWasAfterTheBrokerRestarts(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	var l log
	background(t, func(ctx context.Context) error {
		return b.Follow(ctx, bus.StreamAuth, "auth.>", 1, func(m bus.Message) error { return l.handle(ctx, m) })
	})
	for n := int64(2); n < 5; n++ {
		eventually(t, func() bool { return len(l.all()) == int(n)-1 }, "message %d", n-1)
		s.Restart()
		e := observation(t, events.TypeUnauthorized, "github", n)
		eventually(t, func() bool { return b.Publish(t.Context(), e) == nil }, "publish %d", n)
	}
	eventually(t, func() bool { return len(l.all()) == 4 }, "the last message")
	require.Equal(t, []uint64{1, 2, 3, 4}, l.of("github"))
}

func TestFollowFromZeroStartsWithWhatIsStoredNext(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	var l log
	background(t, func(ctx context.Context) error {
		return b.Follow(ctx, bus.StreamAuth, "auth.>", 0, func(m bus.Message) error { return l.handle(ctx, m) })
	})
	js := jetStream(t, s)
	eventually(t, func() bool {
		info, err := js.Stream(t.Context(), bus.StreamAuth)
		return err == nil && info.CachedInfo().State.Consumers == 2
	}, "it follows")
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
	eventually(t, func() bool { return len(l.all()) == 1 }, "the next arrives")
	require.Equal(t, []uint64{2}, l.of("github"))
}

func TestFollowEndsWithTheErrorOfItsFunction(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	stop := errors.New("enough")
	require.ErrorIs(t, b.Follow(t.Context(), bus.StreamAuth, "auth.>", 1, func(bus.Message) error { return stop }), stop)
}

func TestFullStreamIsSaidToThePublisher(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js, cfg := stream(t, s, bus.StreamAuth)
	cfg.MaxBytes = 2000
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)

	stored := 0
	for err = nil; err == nil && stored < 100; stored++ {
		err = b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", 1))
	}
	require.ErrorIs(t, err, bus.ErrFull)
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.NotErrorIs(t, err, bus.ErrRefused)
	m, err := b.Next(t.Context(), bus.StreamAuth, "auth.>", 1, bus.Message{})
	require.NoError(t, err)
	require.Equal(t, uint64(1), m.Sequence, "nothing was thrown away")
}

func TestEventThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	e, err := events.New(events.TypeUnauthorized, source, "github", time.Now(),
		events.Observation{Workload: "github", Detail: string(make([]byte, 70<<10))})
	require.NoError(t, err)
	require.ErrorIs(t, b.Publish(t.Context(), e), bus.ErrRefused)
	_, err = b.Bucket(bus.BucketSilences).Put(t.Context(), "big", make([]byte, 70<<10))
	require.ErrorIs(t, err, bus.ErrRefused)
}

func TestMetricsCountWhatHappened(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	reg := prometheus.NewRegistry()
	b := s.Bus(t, func(o *bus.Options) { o.Metrics = reg })
	other := s.Connect(t, func(o *bus.Options) { o.Metrics = reg })
	e := observation(t, events.TypeUnauthorized, "github", 1)
	publish(t, b, e)
	publish(t, other, e)
	s.Stop()
	eventually(t, func() bool { return b.Publish(t.Context(), e) != nil }, "it is down")
	require.Equal(t, 6, testutil.CollectAndCount(reg, "authwatch_bus_published_total"), "also those that are 0")
	got, err := reg.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range got {
		for _, m := range family.GetMetric() {
			key := family.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	require.InDelta(t, 1, values["authwatch_bus_published_total test stored"], 0)
	require.InDelta(t, 1, values["authwatch_bus_published_total test duplicate"], 0)
	require.GreaterOrEqual(t, values["authwatch_bus_published_total test unavailable"], 1.0)
	require.Zero(t, values["authwatch_bus_connected test"])
}

func TestAServerThatIsCutOffFromItsClusterIsLeftForAnotherOne(t *testing.T) {
	t.Parallel()
	cut := natstest.Run(t, natstest.Listen(), func(o *natsd.Options) {
		o.Cluster = &natsd.Cluster{Server: "cut", Listen: "127.0.0.1:0", Routes: []string{"nats://127.0.0.1:1", "nats://127.0.0.1:2"}}
	})
	other := natstest.Run(t, natstest.Listen())
	other.Bus(t)
	url := other.ClientURL()
	other.Stop() // so that the other one comes first
	b, err := bus.Connect(t.Context(), bus.Options{Name: "test", URL: cut.ClientURL() + "," + url})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	require.Error(t, b.Ready())
	other.Restart()
	require.Eventually(t, func() bool { return b.Ready() == nil }, time.Minute, 50*time.Millisecond)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
}
