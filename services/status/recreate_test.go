package status

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// recreate deletes a stream and provisions it anew.
func recreate(t *testing.T, server *natstest.Server, b *bus.Bus, stream string) {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(server))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), stream))
	// The server removes the folder in the background, and refuses meanwhile.
	require.Eventually(t, func() bool { return b.Provision(t.Context(), 1) == nil }, 20*time.Second, 20*time.Millisecond)
}

func TestObservationsOfAStreamCreatedAnewCount(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	s := start(t, b)
	for range 5 {
		publish(t, b, events.TypeAuthorized, "github", "t1")
	}
	s.becomes(t, "github", events.StatusRunning)
	recreate(t, server, b, bus.StreamAuth)
	require.Eventually(t, func() bool {
		return b.Publish(t.Context(), observed(t, events.TypeUnauthorized, "github", "t1")) == nil
	}, 20*time.Second, 20*time.Millisecond)
	w := s.becomes(t, "github", events.StatusUnauthenticated)
	require.Less(t, w.Observed.Sequence, uint64(5), "the position is one in the new stream")
}

func TestRecordsThatWereDeletedAreMadeAnew(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	before := s.becomes(t, "github", events.StatusUnauthenticated)
	recreate(t, server, b, bus.StreamStatus)
	publish(t, b, events.TypeForbidden, "github", "t1")
	require.Eventually(t, func() bool { return s.workload(t, "github").Forbidden != nil }, 20*time.Second, 10*time.Millisecond)
	after := s.workload(t, "github")
	require.Equal(t, before.Incident, after.Incident, "the same observations make the same incident")
	require.Equal(t, before.Since, after.Since)
	require.Equal(t, []string{"running", "unauthenticated"}, changes(t, b, "github"))
}

// A stream that is restored from a copy has the messages and their sequences, and
// is created anew: what was observed before is not observed again.
func TestObservationsOfARestoredStreamCountOnce(t *testing.T) {
	t.Parallel()
	tp := newTape(noon)
	observe := func(typ string) {
		tp.now = tp.now.Add(time.Minute)
		e := observed(t, typ, "github", "t1")
		e.SetTime(tp.now)
		tp.observe(e)
	}
	hand := func(rc *recorder, m bus.Message) { require.NoError(t, rc.handle(t.Context(), m)) }
	for _, typ := range []string{events.TypeLoaded, events.TypeAuthorized, events.TypeUnauthorized, events.TypeAuthorized} {
		observe(typ)
	}
	before := newRecorder(tp, newView(), nobody{}, slog.New(slog.DiscardHandler), newMetrics(nil), nil)
	for _, m := range tp.auth {
		hand(before, m)
	}
	observe(events.TypeForbidden) // is in the copy, and nobody has seen it yet
	tp.now = tp.now.Add(time.Hour)
	for i := range tp.auth {
		tp.auth[i].Created = tp.now
	}

	after := newRecorder(tp, tp.hydrated(), nobody{}, slog.New(slog.DiscardHandler), newMetrics(nil), nil)
	hand(after, tp.auth[2]) // delivered again
	hand(after, tp.auth[4])
	r, changes := tp.recorded("github")
	require.NotNil(t, r.Forbidden, "what the copy has beyond the record counts")
	require.Len(t, changes, 4)
	require.EqualValues(t, 1, r.Incidents)

	observe(events.TypeUnauthorized)
	tp.auth[5].Created = tp.auth[0].Created
	hand(after, tp.auth[5])
	r, changes = tp.recorded("github")
	require.Equal(t, events.StatusUnauthenticated, r.Status)
	require.Len(t, changes, 5)
	require.EqualValues(t, 2, r.Incidents)
}
