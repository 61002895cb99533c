package bus_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func stream(t testing.TB, s *natstest.Server, name string) (jetstream.JetStream, jetstream.StreamConfig) {
	t.Helper()
	js := jetStream(t, s)
	found, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	return js, found.CachedInfo().Config
}

func TestTopologyIsBoundedAndRefusesWhenFull(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	s.Bus(t)
	for _, name := range []string{
		bus.StreamAuth, bus.StreamStatus, bus.StreamAlert, bus.StreamDead,
		"KV_" + bus.BucketLeases, "KV_" + bus.BucketDeliveries, "KV_" + bus.BucketSilences,
	} {
		_, cfg := stream(t, s, name)
		require.Equal(t, jetstream.FileStorage, cfg.Storage, name)
		require.Equal(t, jetstream.LimitsPolicy, cfg.Retention, name)
		require.Equal(t, jetstream.DiscardNew, cfg.Discard, name)
		require.Positive(t, cfg.MaxBytes, name)
		require.Positive(t, cfg.MaxMsgSize, name)
		require.True(t, cfg.AllowDirect, name)
		require.Equal(t, name != bus.StreamStatus, cfg.DenyDelete, name)
	}
	_, status := stream(t, s, bus.StreamStatus)
	require.EqualValues(t, 100, status.MaxMsgsPerSubject)
	require.Zero(t, status.MaxAge, "the newest record is the status, however old")
	_, leases := stream(t, s, "KV_"+bus.BucketLeases)
	require.Equal(t, bus.LeaseTTL, leases.MaxAge)
}

func TestProvisioningAgainChangesWhatDiffersAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	js, cfg := stream(t, s, bus.StreamAuth)
	want := cfg.MaxAge
	cfg.MaxAge = time.Hour
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)

	for range 2 {
		require.NoError(t, b.Provision(t.Context(), 1))
	}
	_, cfg = stream(t, s, bus.StreamAuth)
	require.Equal(t, want, cfg.MaxAge)
	_, err = b.Last(t.Context(), bus.StreamAuth, "auth.>")
	require.NoError(t, err)
	require.Equal(t, uint64(1), consumerInfo(t, s).NumPending)
}

func TestProvisioningLeavesWhatANewerVersionMade(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js, cfg := stream(t, s, bus.StreamAuth)
	cfg.Metadata = map[string]string{"authwatch.topology": "999"}
	cfg.MaxAge = time.Hour
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, b.Provision(t.Context(), 1))
	_, cfg = stream(t, s, bus.StreamAuth)
	require.Equal(t, time.Hour, cfg.MaxAge)
}

func TestProvisioningSaysWhatCannotBeChanged(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	js := jetStream(t, s)
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: bus.StreamAuth, Subjects: []string{"auth.>"}, Storage: jetstream.MemoryStorage,
	})
	require.NoError(t, err)
	err = s.Connect(t).Provision(t.Context(), 1)
	require.ErrorIs(t, err, bus.ErrRefused)
	require.ErrorContains(t, err, "provision stream AUTH")
	require.ErrorContains(t, err, "Memory storage")
}

func TestClientLinksNoServer(t *testing.T) {
	t.Parallel()
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	require.Contains(t, string(deps), "nats-io/nats.go")
	require.NotContains(t, string(deps), "nats-server")
}
