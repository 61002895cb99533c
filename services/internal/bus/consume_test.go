package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

var statusConsumer = bus.Consumer{Stream: bus.StreamAuth, Durable: bus.DurableStatus}

// log collects what a handler was given.
type log struct {
	mu       sync.Mutex
	messages []bus.Message
}

func (l *log) handle(_ context.Context, m bus.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m)
	return nil
}

func (l *log) all() []bus.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]bus.Message(nil), l.messages...)
}

func (l *log) of(workload string) []uint64 {
	out := []uint64{}
	for _, m := range l.all() {
		if m.Event.Subject() == workload {
			out = append(out, m.Sequence)
		}
	}
	return out
}

func consumerInfo(t testing.TB, s *natstest.Server) *jetstream.ConsumerInfo {
	t.Helper()
	js := jetStream(t, s)
	c, err := js.Consumer(t.Context(), bus.StreamAuth, bus.DurableStatus)
	require.NoError(t, err)
	return c.CachedInfo()
}

// ackWait makes the server deliver again after that time.
func ackWait(t testing.TB, s *natstest.Server, d time.Duration) {
	t.Helper()
	cfg := consumerInfo(t, s).Config
	cfg.AckWait = d
	_, err := jetStream(t, s).UpdateConsumer(t.Context(), bus.StreamAuth, cfg)
	require.NoError(t, err)
}

// consume hands the observations to the log that it returns, and has handled the
// first one.
func consume(t testing.TB, b *bus.Bus) *log {
	t.Helper()
	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	eventually(t, func() bool { return len(l.all()) == 1 }, "it runs")
	return &l
}

func TestMessagesOfAWorkloadAreHandledInOrderWhileOthersRun(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	const workloads, each = 20, 25
	for n := range int64(each) {
		for w := range workloads {
			publish(t, b, observation(t, events.TypeUnauthorized, fmt.Sprintf("w%d", w), n))
		}
	}
	var (
		l       log
		mu      sync.Mutex
		running = map[string]bool{}
		most    int
	)
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			w := m.Event.Subject()
			mu.Lock()
			twice := running[w]
			running[w] = true
			most = max(most, len(running))
			mu.Unlock()
			if twice {
				t.Errorf("two messages of %s at the same time", w)
			}
			<-time.After(time.Millisecond) // the work
			mu.Lock()
			delete(running, w)
			mu.Unlock()
			return l.handle(ctx, m)
		})
	})
	eventually(t, func() bool { return len(l.all()) == workloads*each }, "all are handled")
	for w := range workloads {
		got := l.of(fmt.Sprintf("w%d", w))
		require.Len(t, got, each)
		for n, sequence := range got {
			require.Equal(t, uint64(n*workloads+w+1), sequence)
		}
	}
	require.Greater(t, most, 1)
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "all are acknowledged")
	require.Equal(t, uint64(workloads*each), consumerInfo(t, s).AckFloor.Stream)
}

func TestFailedMessageHoldsUpItsWorkloadAlone(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "bad", 1))
	publish(t, b, observation(t, events.TypeUnauthorized, "bad", 2))
	for n := range int64(50) {
		publish(t, b, observation(t, events.TypeUnauthorized, fmt.Sprintf("good%d", n%5), n))
	}
	var (
		l        log
		mu       sync.Mutex
		attempts int
		heal     = make(chan struct{})
	)
	c := statusConsumer
	c.Workers = 2
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, c, func(ctx context.Context, m bus.Message) error {
			if m.Sequence == 1 {
				mu.Lock()
				attempts++
				mu.Unlock()
				select {
				case <-heal:
				default:
					return errors.New("not now")
				}
			}
			return l.handle(ctx, m)
		})
	})
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(l.all()) == 50 && attempts >= 3 }, "the others are handled")
	require.Empty(t, l.of("bad"))
	close(heal)
	eventually(t, func() bool { return len(l.all()) == 52 }, "the workload goes on")
	require.Equal(t, []uint64{1, 2}, l.of("bad"))
}

func TestWhatWasNotAcknowledgedComesAgainToTheNextProcess(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	for n := range int64(3) {
		publish(t, b, observation(t, events.TypeUnauthorized, "github", n))
	}
	started := make(chan struct{}, 100)
	stop := background(t, func(ctx context.Context) error {
		return b.Consume(ctx, statusConsumer, func(_ context.Context, m bus.Message) error {
			if m.Sequence == 1 {
				return nil
			}
			started <- struct{}{}
			return errors.New("the store is down")
		})
	})
	<-started
	require.NoError(t, stop())

	var l log
	background(t, func(ctx context.Context) error {
		return s.Connect(t).Consume(ctx, statusConsumer, l.handle)
	})
	eventually(t, func() bool { return len(l.all()) == 2 }, "the two others come again at once")
	require.ElementsMatch(t, []uint64{2, 3}, l.of("github"))
}

func TestMessageThatFailsAtTheEndComesAgainAtOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	ctx, cancel := context.WithCancel(t.Context())
	started, done := make(chan struct{}), make(chan error, 1)
	finish := make(chan struct{})
	go func() {
		done <- b.Consume(ctx, statusConsumer, func(context.Context, bus.Message) error {
			close(started)
			<-finish
			return errors.New("the store is down")
		})
	}()
	<-started
	cancel()
	close(finish)
	require.NoError(t, <-done)

	var l log
	background(t, func(ctx context.Context) error { return s.Connect(t).Consume(ctx, statusConsumer, l.handle) })
	eventually(t, func() bool { return len(l.all()) == 1 }, "it comes again")
}

func TestHandlerInProgressFinishesWhenConsumptionEnds(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	started, finish := make(chan struct{}), make(chan struct{})
	var l log
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			close(started)
			<-finish
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return l.handle(ctx, m)
		})
	}()
	<-started
	cancel()
	close(finish)
	require.NoError(t, <-done)
	require.Len(t, l.all(), 1)
	require.Zero(t, consumerInfo(t, s).NumAckPending)
}

func TestMessageInHandIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	const wait = 1500 * time.Millisecond
	ackWait(t, s, wait)
	publish(t, b, observation(t, events.TypeUnauthorized, "slow", 1))

	var l log
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			<-time.After(5 * wait / 2) // longer than the server waits
			return l.handle(ctx, m)
		})
	})
	eventually(t, func() bool { return consumerInfo(t, s).AckFloor.Stream == 1 }, "it is handled")
	require.Equal(t, []uint64{1}, l.of("slow"))
	require.Equal(t, uint64(1), consumerInfo(t, s).Delivered.Consumer, "one delivery")
}

func TestMessageThatIsDeliveredAgainWhileInHandIsHandledOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	const wait = 500 * time.Millisecond
	ackWait(t, s, wait)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))

	var l log
	heal, failed := make(chan struct{}), make(chan struct{}, 1000)
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			select {
			case <-heal:
				return l.handle(ctx, m)
			default:
				failed <- struct{}{}
				return errors.New("not now")
			}
		})
	})
	<-failed
	s.Stop()
	<-time.After(2 * wait) // nobody can say that it is in hand
	s.Restart()
	eventually(t, func() bool { return consumerInfo(t, s).Delivered.Consumer > 1 }, "it is delivered again")
	close(heal)
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "it is acknowledged")
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
	eventually(t, func() bool { return consumerInfo(t, s).AckFloor.Stream == 2 }, "the next is too")
	require.Equal(t, []uint64{1, 2}, l.of("github"))
}

// Prometheus sees no increase in a counter that appears with its first event.
func TestACounterOfAConsumerIsThereBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	b := natstest.Run(t).Bus(t, func(o *bus.Options) { o.Metrics = reg })
	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	eventually(t, func() bool {
		return testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP authwatch_bus_dead_letters_total Messages given up on, by outcome: stored in DEAD; or kept in their own stream alone, because DEAD is full or because it took none (lost).
# TYPE authwatch_bus_dead_letters_total counter
authwatch_bus_dead_letters_total{client="test",outcome="full",service="status"} 0
authwatch_bus_dead_letters_total{client="test",outcome="lost",service="status"} 0
authwatch_bus_dead_letters_total{client="test",outcome="stored",service="status"} 0
# HELP authwatch_bus_handled_total Deliveries to a durable consumer, by outcome: done, retried, dead, unconfirmed.
# TYPE authwatch_bus_handled_total counter
authwatch_bus_handled_total{client="test",durable="status-v1",outcome="dead"} 0
authwatch_bus_handled_total{client="test",durable="status-v1",outcome="done"} 0
authwatch_bus_handled_total{client="test",durable="status-v1",outcome="retried"} 0
authwatch_bus_handled_total{client="test",durable="status-v1",outcome="unconfirmed"} 0
`), "authwatch_bus_dead_letters_total", "authwatch_bus_handled_total") == nil
	}, "they are there")
}
