package bus_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestClusterThatLosesItsLeaderLosesNoEvent(t *testing.T) {
	t.Parallel()
	total := int64(120) // one leader stops; each costs some seconds without acknowledgements
	if os.Getenv("SOAK") != "" {
		total = 600
	}
	c := natstest.RunCluster(t)
	b := c.Bus(t)
	js := jetStream(t, c.Servers[0])
	var l log
	// Not on the servers that are going to be stopped.
	publisher, consumer := c.Connect(t, 0), c.Connect(t, 0)
	background(t, func(ctx context.Context) error { return consumer.Consume(ctx, statusConsumer, l.handle) })

	stopped := -1
	for n := range total {
		if n%200 == 100 {
			stopped = stopLeader(t, c, js)
		}
		if n%200 == 199 && stopped >= 0 {
			c.Servers[stopped].Restart()
			stopped = -1
		}
		e := observation(t, events.TypeUnauthorized, fmt.Sprintf("w%d", n%10), n)
		require.Eventually(t, func() bool { return publisher.Publish(t.Context(), e) == nil }, time.Minute, 50*time.Millisecond, "event %d", n)
	}
	require.Eventually(t, func() bool {
		seen := map[string]bool{}
		for _, m := range l.all() {
			seen[m.Event.ID()] = true
		}
		return int64(len(seen)) == total
	}, time.Minute, 50*time.Millisecond, "every event is handled")
	stored := int64(0)
	require.NoError(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 1, false, func(bus.Message) error { stored++; return nil }))
	require.Equal(t, total, stored, "none twice")
	t.Logf("%d events, %d deliveries", total, len(l.all()))
}

// stopLeader stops the server that leads AUTH, or a follower where the clients are
// on the leader.
func stopLeader(t *testing.T, c *natstest.Cluster, js jetstream.JetStream) int {
	t.Helper()
	s, err := js.Stream(t.Context(), bus.StreamAuth)
	require.NoError(t, err)
	var leader int
	_, err = fmt.Sscanf(s.CachedInfo().Cluster.Leader, "n%d", &leader)
	require.NoError(t, err)
	if leader == 0 {
		leader = 1 // a follower: the cluster must not notice
	}
	c.Servers[leader].Stop()
	return leader
}
