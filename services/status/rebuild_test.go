package status

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func jetStreamOf(t testing.TB, server *natstest.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(server))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// stored is the newest record of a workload in the stream.
func stored(t testing.TB, b *bus.Bus, workload string) (r events.Record) {
	t.Helper()
	require.Eventually(t, func() bool {
		m, err := b.Last(t.Context(), bus.StreamStatus, statusOf(workload))
		if err != nil || events.Rebuilt(m.Event) {
			return false
		}
		v, err := versionOf(m)
		r = v.record
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "there is a record of %s", workload)
	return r
}

// lived is a workload with two incidents, the second one open.
func lived(t testing.TB, b *bus.Bus, s running, workload string) events.Record {
	t.Helper()
	for _, typ := range []string{events.TypeLoaded, events.TypeAuthorized, events.TypeUnauthorized, events.TypeAuthorized, events.TypeUnauthorized} {
		publish(t, b, typ, workload, "t1")
	}
	require.Eventually(t, func() bool {
		w, ok := s.Workload(workload)
		return ok && w.Incidents == 2 && w.Incident != ""
	}, 20*time.Second, 5*time.Millisecond)
	return stored(t, b, workload)
}

func TestRecordsAreRebuiltWithoutANewObservation(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, js jetstream.JetStream){
		"STATUS was deleted": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			require.NoError(t, js.DeleteStream(t.Context(), bus.StreamStatus))
		},
		"STATUS was purged": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			s, err := js.Stream(t.Context(), bus.StreamStatus)
			require.NoError(t, err)
			require.NoError(t, s.Purge(t.Context()))
		},
		"AUTH and STATUS were deleted": func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			require.NoError(t, js.DeleteStream(t.Context(), bus.StreamAuth))
			require.NoError(t, js.DeleteStream(t.Context(), bus.StreamStatus))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natstest.Run(t)
			b := server.Bus(t)
			s := start(t, b)
			before := lived(t, b, s, "github")
			require.Eventually(t, func() bool { return b.Ready() == nil }, 20*time.Second, 5*time.Millisecond)
			lose(t, jetStreamOf(t, server))
			require.Eventually(t, func() bool {
				_, err := b.Last(t.Context(), bus.StreamStatus, statusOf("github"))
				return err != nil
			}, 20*time.Second, time.Millisecond, "it is gone")
			require.Equal(t, before, stored(t, b, "github"))
			require.Equal(t, before, s.workload(t, "github").Record)

			publish(t, b, events.TypeAuthorized, "github", "t1")
			w := s.becomes(t, "github", events.StatusRunning)
			require.EqualValues(t, 2, w.Incidents)
			require.Equal(t, before.Incident, w.LastIncident.ID)
			publish(t, b, events.TypeUnauthorized, "github", "t1")
			require.EqualValues(t, 3, s.becomes(t, "github", events.StatusUnauthenticated).Incidents)
		})
	}
}

func TestRecordsThatWereLostWhileNobodyRanAreRebuilt(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	first := start(t, b)
	before := map[string]events.Record{}
	for n := range 5 {
		name := fmt.Sprintf("w%d", n)
		before[name] = lived(t, b, first, name)
	}
	consumer, err := jetStreamOf(t, server).Consumer(t.Context(), bus.StreamAuth, bus.DurableStatus)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.AckFloor.Stream == 25
	}, 20*time.Second, 5*time.Millisecond)
	first.stop()
	recreate(t, server, b, bus.StreamStatus)

	s := start(t, b)
	for name, want := range before {
		require.Equal(t, want, stored(t, b, name))
		s.becomes(t, name, events.StatusUnauthenticated)
		require.Equal(t, []string{"unverified", "running", "unauthenticated", "running", "unauthenticated"}, changes(t, b, name))
	}
	n := 0
	require.NoError(t, b.Each(t.Context(), bus.StreamStatus, "status.*.*", 1, false, func(m bus.Message) error {
		if !events.Rebuilt(m.Event) {
			n++
		}
		return nil
	}))
	require.Equal(t, len(before), n, "the history was told already: only the newest of each is news")
}

func TestARecordThatSomebodyOverwroteIsRebuilt(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	first := start(t, b)
	before := lived(t, b, first, "github")
	first.stop()
	_, err := jetStreamOf(t, server).Publish(t.Context(), "status.changed.github", []byte("\x00\x01"))
	require.NoError(t, err)
	s := start(t, b)
	require.Equal(t, before.Incident, s.becomes(t, "github", events.StatusUnauthenticated).Incident)
	require.Equal(t, before, stored(t, b, "github"))
}
