package bus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestConsumptionGoesOnAfterTheBrokerRestarts(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	for n := range int64(3) {
		require.Eventually(t, func() bool {
			return b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", n)) == nil
		}, 20*time.Second, 10*time.Millisecond)
		eventually(t, func() bool { return len(l.all()) >= int(n)+1 }, "message %d is handled", n)
		s.Restart()
	}
	require.Equal(t, []uint64{1, 2, 3}, l.of("github"))
}

func TestDeletedDurableIsPutBackByWhoProvisioned(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	l := consume(t, b)

	js := jetStream(t, s)
	require.NoError(t, js.DeleteConsumer(t.Context(), bus.StreamAuth, bus.DurableStatus))
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
	eventually(t, func() bool { return len(l.all()) == 3 }, "the new durable delivers everything")
	require.Equal(t, []uint64{1, 1, 2}, l.of("github"))
}

func TestDeletedDurableIsAwaitedByWhoMayNotProvision(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	admin := s.Bus(t)
	reg := prometheus.NewRegistry()
	b := s.Connect(t, func(o *bus.Options) { o.Metrics = reg })
	consuming := func(want int) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP authwatch_bus_consuming 1 while the durable consumer is there and is asked for messages.
# TYPE authwatch_bus_consuming gauge
authwatch_bus_consuming{client="test",durable="status-v1",stream="AUTH"} %d
`, want)), "authwatch_bus_consuming") == nil
		}
	}
	l := consume(t, b)

	js := jetStream(t, s)
	require.True(t, consuming(1)())
	require.NoError(t, js.DeleteConsumer(t.Context(), bus.StreamAuth, bus.DurableStatus))
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
	eventually(t, consuming(0), "a metric says that the durable is gone")
	require.NoError(t, admin.Provision(t.Context(), 1))
	eventually(t, func() bool { return len(l.all()) == 3 }, "it finds the new durable")
	eventually(t, consuming(1), "and that it is back")
}

func TestStreamThatIsCreatedAnewIsTold(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	l := consume(t, b)

	js := jetStream(t, s)
	require.NoError(t, js.DeleteStream(t.Context(), bus.StreamAuth))
	eventually(t, func() bool {
		return b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", 2)) == nil
	}, "the stream is put back")
	eventually(t, func() bool { return len(l.all()) == 2 }, "the new stream is consumed")
	require.Equal(t, []uint64{1, 1}, l.of("github"))
	require.True(t, l.all()[1].Created.After(l.all()[0].Created))
}
