package status

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// size is a number from the environment, for long and short runs.
func size(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// fill publishes n events, many at once.
func fill(b *testing.B, n int, event func(i int) error) {
	b.Helper()
	var g errgroup.Group
	const parts = 128
	for part := range parts {
		g.Go(func() error {
			for i := part; i < n; i += parts {
				if err := event(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(b, g.Wait())
}

// BenchmarkStart measures from New to Ready with WORKLOADS records in the stream.
func BenchmarkStart(b *testing.B) {
	workloads := size("WORKLOADS", 10_000)
	broker := natstest.Bus(b)
	h := newHistory()
	fill(b, workloads, func(i int) error {
		o := (&history{seq: uint64(i), now: h.now}).add(events.TypeUnauthorized, "t1", invalidToken)
		o.Data.Workload = fmt.Sprintf("workload-%06d", i)
		r := fold(events.Record{}, o)
		e, err := statusEvent(events.Record{}, r, o)
		if err != nil {
			return err
		}
		return broker.Publish(b.Context(), e)
	})
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		started := time.Now()
		s := start(b, broker)
		b.ReportMetric(time.Since(started).Seconds(), "s/start")
		require.Len(b, s.Workloads(), workloads)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		asked := time.Now()
		res, err := http.Get("http://" + s.address() + "/api/v1/workloads")
		require.NoError(b, err)
		res.Body.Close()
		b.ReportMetric(time.Since(asked).Seconds()*1000, "ms/list")
		s.stop()
	}
}

// BenchmarkObservations measures how many observations a second become stored
// records; BenchmarkCeiling what the bus does for the same messages without us:
// consume, one compare-and-set write, acknowledge.
func BenchmarkObservations(b *testing.B) {
	for name, options := range map[string][]natstest.Option{"nosync": nil, "sync": {natstest.Sync()}} {
		b.Run(name, func(b *testing.B) {
			n, workloads := size("OBSERVATIONS", 10_000), size("WORKLOADS", 1_000)
			broker := natstest.Run(b, options...).Bus(b)
			fillObservations(b, broker, n, workloads)
			b.ResetTimer()
			for range 1 {
				s := start(b, broker)
				require.Eventually(b, func() bool { return testutil.ToFloat64(s.metrics.handled) >= float64(n) }, 10*time.Minute, time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "observations/s")
		})
	}
}

func fillObservations(b *testing.B, broker *bus.Bus, n, workloads int) {
	b.Helper()
	fill(b, n, func(i int) error {
		typ := events.TypeAuthorized
		if i/workloads%2 == 1 {
			typ = events.TypeUnauthorized
		}
		e, err := observation(typ, fmt.Sprintf("workload-%d", i%workloads), "t1")
		if err != nil {
			return err
		}
		return broker.Publish(b.Context(), e)
	})
}

func BenchmarkCeiling(b *testing.B) {
	for name, options := range map[string][]natstest.Option{"nosync": nil, "sync": {natstest.Sync()}} {
		b.Run(name, func(b *testing.B) {
			n, workloads := size("OBSERVATIONS", 10_000), size("WORKLOADS", 1_000)
			broker := natstest.Run(b, options...).Bus(b)
			fillObservations(b, broker, n, workloads)
			h := newHistory()
			var mu sync.Mutex
			last, done := make(map[string]uint64), 0
			ctx, stop := context.WithCancel(b.Context())
			b.ResetTimer()
			err := broker.Consume(ctx, bus.Consumer{Stream: bus.StreamAuth, Durable: bus.DurableStatus, Workers: workers},
				func(ctx context.Context, m bus.Message) error {
					name := m.Event.Subject()
					o := (&history{seq: m.Sequence, now: h.now}).add(events.TypeUnauthorized, "t1", invalidToken)
					o.Data.Workload = name
					e, err := statusEvent(events.Record{}, fold(events.Record{}, o), o)
					if err != nil {
						return err
					}
					mu.Lock()
					expect := last[name]
					mu.Unlock()
					sequence, err := broker.Write(ctx, e, statusOf(name), expect)
					mu.Lock()
					defer mu.Unlock()
					last[name] = sequence
					if done++; done == n {
						stop()
					}
					return err
				})
			require.NoError(b, err)
			b.StopTimer()
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "observations/s")
		})
	}
}
