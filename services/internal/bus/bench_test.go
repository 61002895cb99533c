package bus_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// modes are how the broker writes: as the tests do, and as production does.
var modes = map[string][]natstest.Option{"default": nil, "always": {natstest.Sync()}}

func BenchmarkPublish(b *testing.B) {
	for mode, opts := range modes {
		for _, publishers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("sync=%s/publishers=%d", mode, publishers), func(b *testing.B) {
				c := natstest.Run(b, opts...).Bus(b)
				made := observations(b, b.N)
				b.ResetTimer()
				parallel(publishers, b.N, func(i int) { require.NoError(b, c.Publish(b.Context(), made[i])) })
				rate(b)
			})
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for mode, opts := range modes {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("sync=%s/writers=%d", mode, writers), func(b *testing.B) {
				c := natstest.Run(b, opts...).Bus(b)
				last := make([]uint64, writers)
				var wg sync.WaitGroup
				b.ResetTimer()
				for w := range writers {
					wg.Go(func() {
						name := fmt.Sprintf("w%d", w)
						for i := w; i < b.N; i += writers {
							var err error
							last[w], err = c.Write(b.Context(), status(b, events.TypeStatusChanged, name, 1), "status.*."+name, last[w])
							require.NoError(b, err)
						}
					})
				}
				wg.Wait()
				rate(b)
			})
		}
	}
}

// BenchmarkConsume is a handler that does nothing, double acks and all; beside
// it, plain JetStream with the acknowledgements that it can do.
func BenchmarkConsume(b *testing.B) {
	for mode, opts := range modes {
		for _, workers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("bus/sync=%s/workers=%d", mode, workers), func(b *testing.B) {
				s := natstest.Run(b, opts...)
				c := s.Bus(b)
				fill(b, c, b.N)
				b.ResetTimer()
				var handled atomic.Int64
				ctx, cancel := context.WithCancel(b.Context())
				require.NoError(b, c.Consume(ctx, bus.Consumer{Stream: bus.StreamAuth, Durable: bus.DurableStatus, Workers: workers},
					func(context.Context, bus.Message) error {
						if handled.Add(1) == int64(b.N) {
							cancel()
						}
						return nil
					}))
				rate(b)
			})
		}
		for name, ack := range map[string]func(context.Context, jetstream.Msg) error{
			"ack":       func(_ context.Context, m jetstream.Msg) error { return m.Ack() },
			"doubleack": func(ctx context.Context, m jetstream.Msg) error { return m.DoubleAck(ctx) },
		} {
			b.Run(fmt.Sprintf("plain-%s/sync=%s", name, mode), func(b *testing.B) {
				s := natstest.Run(b, opts...)
				fill(b, s.Bus(b), b.N)
				js := jetStream(b, s)
				durable, err := js.Consumer(b.Context(), bus.StreamAuth, bus.DurableStatus)
				require.NoError(b, err)
				b.ResetTimer()
				it, err := durable.Messages()
				require.NoError(b, err)
				defer it.Stop()
				for range b.N {
					m, err := it.Next()
					require.NoError(b, err)
					require.NoError(b, ack(b.Context(), m))
				}
				rate(b)
			})
		}
	}
}

// BenchmarkEach reads the newest record of every workload: what a service does
// when it starts. SOAK=1 makes it 100,000 workloads.
func BenchmarkEach(b *testing.B) {
	workloads := 10_000
	if os.Getenv("SOAK") == "1" {
		workloads = 100_000
	}
	c := natstest.Run(b).Bus(b)
	parallel(64, workloads*2, func(i int) {
		require.NoError(b, c.Publish(b.Context(), status(b, events.TypeStatusChanged, fmt.Sprintf("w%d", i%workloads), 1)))
	})
	for _, lastPerSubject := range []bool{true, false} {
		b.Run(fmt.Sprintf("workloads=%d/last=%t", workloads, lastPerSubject), func(b *testing.B) {
			for b.Loop() {
				n := 0
				require.NoError(b, c.Each(b.Context(), bus.StreamStatus, "status.*.*", 1, lastPerSubject, func(bus.Message) error {
					n++
					return nil
				}))
				require.Positive(b, n)
				b.ReportMetric(float64(n), "records")
			}
		})
	}
}

// observations makes n events of 100 workloads.
func observations(b *testing.B, n int) []event.Event {
	b.Helper()
	out := make([]event.Event, n)
	for i := range out {
		out[i] = observation(b, events.TypeUnauthorized, fmt.Sprintf("w%d", i%100), 1)
	}
	return out
}

func fill(b *testing.B, c *bus.Bus, n int) {
	b.Helper()
	made := observations(b, n)
	parallel(64, n, func(i int) { require.NoError(b, c.Publish(b.Context(), made[i])) })
}

func parallel(workers, n int, fn func(i int)) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				fn(i)
			}
		})
	}
	wg.Wait()
}

func rate(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
