package notifier

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// meter is a webhook that notes when each workload was told first.
type meter struct {
	*httptest.Server
	mu   sync.Mutex
	told map[string]time.Time
}

func newMeter(b *testing.B) *meter {
	b.Helper()
	m := &meter{told: map[string]time.Time{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e event.Event
		if e.UnmarshalJSON(body) == nil {
			m.mu.Lock()
			m.told[e.Subject()] = time.Now()
			m.mu.Unlock()
		}
	}))
	b.Cleanup(m.Close)
	return m
}

func (m *meter) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.told)
}

func (m *meter) config(name string) receiver.Config {
	return receiver.Config{Name: name, Webhook: &receiver.Webhook{URL: config.Secret(m.URL)}}
}

// bench runs a notifier on a broker that syncs every write.
func bench(b *testing.B, c Config) *bus.Bus {
	b.Helper()
	server := natstest.Run(b, natstest.Sync())
	on := server.Bus(b)
	n, err := New(Options{Config: c, Instance: "bench", Bus: on, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	require.Eventually(b, func() bool {
		session := n.session.Load()
		return session != nil && session.caughtUp.Load()
	}, 20*time.Second, time.Millisecond)
	return on
}

func dead(b *testing.B, i int) event.Event {
	b.Helper()
	rec := next(events.Record{}, fmt.Sprintf("w%06d", i), true, time.Now())
	e, err := events.New(events.TypeStatusChanged, "urn:authwatch:status:bench", rec.Workload, time.Now(), rec)
	require.NoError(b, err)
	return e
}

// BenchmarkDeliveriesPerSecond is the rate at which one receiver is told, with
// every write synced.
func BenchmarkDeliveriesPerSecond(b *testing.B) {
	m := newMeter(b)
	on := bench(b, one(m.config("ops")))
	b.ResetTimer()
	for i := range b.N {
		require.NoError(b, on.Publish(b.Context(), dead(b, i)))
	}
	require.Eventually(b, func() bool { return m.count() == b.N }, 10*time.Minute, time.Millisecond)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkStatusToWebhook is the time from a stored change of status to the
// call of a local webhook, at 200 changes a second.
func BenchmarkStatusToWebhook(b *testing.B) {
	m := newMeter(b)
	on := bench(b, one(m.config("ops")))
	stored := make([]time.Time, b.N)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		require.NoError(b, on.Publish(b.Context(), dead(b, i)))
		stored[i] = time.Now()
	}
	require.Eventually(b, func() bool { return m.count() == b.N }, 10*time.Minute, time.Millisecond)
	took := make([]time.Duration, b.N)
	for i := range took {
		took[i] = max(m.told[fmt.Sprintf("w%06d", i)].Sub(stored[i]), 0)
	}
	report(b, took, "")
}

// BenchmarkTakeover is the time from the kill of the notifier that leads to the
// first message of the other one.
func BenchmarkTakeover(b *testing.B) {
	m := newMeter(b)
	server := natstest.Run(b, natstest.Listen(), natstest.Sync())
	on := server.Bus(b)
	running := map[string]*exec.Cmd{}
	start := func(instance string) {
		running[instance] = spawn(b, child{Broker: server.ClientURL(), Receiver: m.URL, Instance: instance})
	}
	start("r0")
	took := make([]time.Duration, b.N)
	for i := range b.N {
		start(fmt.Sprintf("r%d", i+1))
		var leader string
		require.Eventually(b, func() bool {
			e, err := on.Bucket(bus.BucketLeases).Get(b.Context(), leaseKey)
			leader, _, _ = strings.Cut(string(e.Value), " ")
			return err == nil && running[leader] != nil
		}, 20*time.Second, 10*time.Millisecond)
		killed := time.Now()
		kill(b, running[leader], syscall.SIGKILL)
		delete(running, leader)
		require.NoError(b, on.Publish(b.Context(), dead(b, i)))
		require.Eventually(b, func() bool { return m.count() == i+1 }, time.Minute, time.Millisecond)
		took[i] = m.told[fmt.Sprintf("w%06d", i)].Sub(killed)
	}
	for _, cmd := range running {
		kill(b, cmd, syscall.SIGTERM)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)-1].Seconds(), "longest-s")
}

// BenchmarkBesideAReceiverThatHangs is the same time for four receivers, alone
// and beside a fifth that never answers, in turns of 20 changes.
func BenchmarkBesideAReceiverThatHangs(b *testing.B) {
	hold := make(chan struct{})
	deaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-hold:
		}
	}))
	b.Cleanup(deaf.Close)
	b.Cleanup(func() { close(hold) })
	hangs := receiver.Config{Name: "deaf", Webhook: &receiver.Webhook{URL: config.Secret(deaf.URL)}}
	sides := map[string]*side{"alone": newSide(b), "beside": newSide(b, hangs)}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for begin := 0; begin < b.N; begin += 20 {
		for _, s := range sides {
			for i := begin; i < min(begin+20, b.N); i++ {
				<-tick.C
				require.NoError(b, s.on.Publish(b.Context(), dead(b, i)))
				s.stored = append(s.stored, time.Now())
			}
			s.wait(b)
		}
	}
	for name, s := range sides {
		report(b, s.took(), name+"-")
	}
}

// side is a notifier with four receivers that answer.
type side struct {
	on     *bus.Bus
	meters []*meter
	stored []time.Time
}

func newSide(b *testing.B, more ...receiver.Config) *side {
	b.Helper()
	s := &side{}
	for i := range 4 {
		m := newMeter(b)
		s.meters = append(s.meters, m)
		more = append(more, m.config(fmt.Sprintf("r%d", i)))
	}
	s.on = bench(b, one(more...))
	return s
}

func (s *side) wait(b *testing.B) {
	b.Helper()
	for _, m := range s.meters {
		require.Eventually(b, func() bool { return m.count() == len(s.stored) }, time.Minute, time.Millisecond)
	}
}

func (s *side) took() []time.Duration {
	var all []time.Duration
	for _, m := range s.meters {
		for i, at := range s.stored {
			all = append(all, max(m.told[fmt.Sprintf("w%06d", i)].Sub(at), 0))
		}
	}
	return all
}

func report(b *testing.B, took []time.Duration, prefix string) {
	b.Helper()
	slices.Sort(took)
	at := func(p float64) float64 {
		return float64(took[min(int(p*float64(len(took))), len(took)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(at(.50), prefix+"p50-ms")
	b.ReportMetric(at(.99), prefix+"p99-ms")
}
