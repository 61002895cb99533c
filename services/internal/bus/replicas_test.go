package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

var allStreams = []string{
	bus.StreamAuth, bus.StreamStatus, bus.StreamAlert, bus.StreamDead,
	"KV_" + bus.BucketLeases, "KV_" + bus.BucketDeliveries, "KV_" + bus.BucketSilences,
}

func TestProvisioningForThreeServersCopiesWhatOneHad(t *testing.T) {
	t.Parallel()
	c := natstest.RunCluster(t)
	b := c.Connect(t, 0)
	natstest.Provision(t, b, 1)
	e := observation(t, events.TypeUnauthorized, "github", 1)
	publish(t, b, e)
	_, err := b.Bucket(bus.BucketSilences).Put(t.Context(), "1", []byte("{}"))
	require.NoError(t, err)

	for range 2 {
		natstest.Provision(t, b, 3)
	}
	natstest.Provision(t, b, 0) // what is not said stays as it is
	require.NotContains(t, plan(t, b, bus.Provisioning{}), "update")
	require.Contains(t, plan(t, b, bus.Provisioning{Replicas: 1}), "replicas 3 -> 1", "fewer when asked by name")
	require.NoError(t, jetStream(t, c.Servers[0]).DeleteStream(t.Context(), bus.StreamAlert))
	eventually(t, func() bool {
		info, err := jetStream(t, c.Servers[0]).Stream(t.Context(), bus.StreamAlert)
		return err == nil && info.CachedInfo().Config.Replicas == 3
	}, "what is put back has as many copies as the others")
	natstest.Provision(t, b, 0)
	for i, s := range c.Servers {
		js := jetStream(t, s)
		for _, name := range allStreams {
			found, err := js.Stream(t.Context(), name)
			require.NoError(t, err, "%s by n%d", name, i)
			info := found.CachedInfo()
			require.Equal(t, 3, info.Config.Replicas, name)
			require.Len(t, info.Cluster.Replicas, 2, name)
			require.Nil(t, info.Cluster.Desired, "%s: its members still change", name)
			current := 1
			for _, r := range info.Cluster.Replicas {
				if r.Current {
					current++
				}
			}
			require.GreaterOrEqual(t, current, 2, "%s: provisioned means that it outlives the loss of a server", name)
		}
		durable, err := js.Consumer(t.Context(), bus.StreamAuth, bus.DurableStatus)
		require.NoError(t, err)
		require.Len(t, durable.CachedInfo().Cluster.Replicas, 2)
		require.Nil(t, durable.CachedInfo().Cluster.Desired)
	}

	c.Servers[2].Stop()
	c.Servers[0].Stop()
	c.Servers[0].Restart()
	require.Eventually(t, func() bool {
		m, err := b.Last(t.Context(), bus.StreamAuth, "auth.>")
		return err == nil && m.Event.ID() == e.ID()
	}, time.Minute, 50*time.Millisecond)
	natstest.Provision(t, b, 3) // what is there can be provisioned again without the third server
}

// A server that has not joined yet is no reason to give up.
func TestProvisioningForMoreServersThanThereAreCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	c := natstest.RunCluster(t)
	err := errors.New("not tried")
	require.Eventually(t, func() bool {
		err = c.Connect(t, 0).Provision(t.Context(), 5)
		return strings.Contains(err.Error(), "no suitable peers")
	}, time.Minute, 50*time.Millisecond)
	require.ErrorIs(t, err, bus.ErrUnavailable)
}

func TestThreeCopiesOnOneServerAreRefused(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	err := b.Provision(t.Context(), 3)
	require.ErrorIs(t, err, bus.ErrRefused)
	require.ErrorContains(t, err, "replicas > 1 not supported in non-clustered mode")
}
