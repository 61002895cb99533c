package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

const source = "urn:authwatch:proxy:test"

// observation returns an event that no two calls make alike.
func observation(t testing.TB, typ, workload string, n int64) event.Event {
	t.Helper()
	e, err := events.New(typ, source, workload, time.Now(), events.Observation{Workload: workload, Rejections: n})
	require.NoError(t, err)
	return e
}

func status(t testing.TB, typ, workload string, n int64) event.Event {
	t.Helper()
	e, err := events.New(typ, "urn:authwatch:status", workload, time.Now(),
		events.Record{Workload: workload, Status: events.StatusRunning, Incidents: n, Since: time.Now()})
	require.NoError(t, err)
	return e
}

// number is the n that observation was called with.
func number(t testing.TB, m bus.Message) int64 {
	t.Helper()
	o, err := events.ParseObservation(m.Event)
	require.NoError(t, err)
	return o.Rejections
}

// client is a plain NATS client of the server, for what a service cannot do.
func client(t testing.TB, s *natstest.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func jetStream(t testing.TB, s *natstest.Server) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(client(t, s))
	require.NoError(t, err)
	return js
}

func publish(t testing.TB, b *bus.Bus, e event.Event) {
	t.Helper()
	require.NoError(t, b.Publish(t.Context(), e))
}

func TestPublishedEventIsReadBackAsItWas(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	e := observation(t, events.TypeUnauthorized, "github", 3)
	publish(t, b, e)

	m, err := b.Last(t.Context(), bus.StreamAuth, "auth.*.github")
	require.NoError(t, err)
	want, err := json.Marshal(e)
	require.NoError(t, err)
	got, err := json.Marshal(m.Event)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))
	require.Equal(t, "auth.unauthorized.github", m.Subject)
	require.Equal(t, uint64(1), m.Sequence)
	require.WithinDuration(t, time.Now(), m.Stored, time.Minute)
	require.WithinDuration(t, time.Now(), m.Created, time.Minute)
}

func TestEventThatIsSentTwiceIsStoredOnce(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	e := observation(t, events.TypeUnauthorized, "github", 1)
	publish(t, b, e)
	publish(t, b, e)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))

	m, err := b.Last(t.Context(), bus.StreamAuth, "auth.>")
	require.NoError(t, err)
	require.Equal(t, uint64(2), m.Sequence)
	require.Equal(t, int64(2), number(t, m))
}

func TestReadsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	_, err := b.Last(t.Context(), bus.StreamAuth, "auth.*.github")
	require.ErrorIs(t, err, bus.ErrNotFound)
	_, err = b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 1, bus.Message{})
	require.ErrorIs(t, err, bus.ErrNotFound)
	_, err = b.Last(t.Context(), "NOSUCH", "auth.*.github")
	require.ErrorIs(t, err, bus.ErrNotFound)
	history, err := b.History(t.Context(), bus.StreamAuth, "auth.*.github", 10)
	require.NoError(t, err)
	require.Empty(t, history)
	for _, last := range []bool{false, true} {
		require.NoError(t, b.Each(t.Context(), bus.StreamAuth, "auth.*.github", 1, last, func(bus.Message) error {
			return fmt.Errorf("there is nothing")
		}))
	}
}

func TestNextReturnsTheFirstEventOfAWorkloadFromASequenceOn(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	for n := range int64(6) { // sequences 1, 3, 5 are github's
		publish(t, b, observation(t, events.TypeUnauthorized, []string{"github", "gitlab"}[n%2], n))
	}
	for from, want := range map[uint64]uint64{0: 1, 1: 1, 2: 3, 3: 3, 4: 5, 5: 5} {
		m, err := b.Next(t.Context(), bus.StreamAuth, "auth.*.github", from, bus.Message{})
		require.NoError(t, err)
		require.Equal(t, want, m.Sequence, "from %d", from)
	}
	_, err := b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 6, bus.Message{})
	require.ErrorIs(t, err, bus.ErrNotFound)
}

// What one server cannot show: a replica without the message is as a stream of
// which the caller knows more than it has.
func TestAReplicaThatIsBehindIsNotTheEndOfTheStream(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	known, err := b.Last(t.Context(), bus.StreamAuth, "auth.*.github")
	require.NoError(t, err)
	known.Sequence = 3
	m, err := b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 1, known)
	require.NoError(t, err)
	require.EqualValues(t, 1, m.Sequence)
	_, err = b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 2, known)
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.ErrorContains(t, err, "behind")

	known.Created = known.Created.Add(-time.Hour) // of a stream before this one
	_, err = b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 2, known)
	require.ErrorIs(t, err, bus.ErrNotFound)
}

func TestAMessageThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, status(t, events.TypeStatusChanged, "github", 1))
	known, err := b.Last(t.Context(), bus.StreamStatus, "status.*.github")
	require.NoError(t, err)
	js, _ := stream(t, s, bus.StreamStatus)
	found, err := js.Stream(t.Context(), bus.StreamStatus)
	require.NoError(t, err)
	require.NoError(t, found.DeleteMsg(t.Context(), known.Sequence))
	_, err = b.Next(t.Context(), bus.StreamStatus, "status.*.github", 1, known)
	require.ErrorIs(t, err, bus.ErrNotFound)
}

func TestReadsPassOverWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	nc := client(t, s)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	_, err := nc.Request("auth.unauthorized.github", []byte("no event"), 5*time.Second)
	require.NoError(t, err)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 3))

	m, err := b.Next(t.Context(), bus.StreamAuth, "auth.*.github", 2, bus.Message{})
	require.NoError(t, err)
	require.Equal(t, uint64(3), m.Sequence)
	history, err := b.History(t.Context(), bus.StreamAuth, "auth.*.github", 10)
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 1}, sequences(history))

	_, err = nc.Request("auth.unauthorized.github", []byte("no event either"), 5*time.Second)
	require.NoError(t, err)
	m, err = b.Last(t.Context(), bus.StreamAuth, "auth.*.github")
	require.ErrorIs(t, err, bus.ErrMalformed)
	require.Equal(t, uint64(4), m.Sequence, "the position is known, so that Write can go on")
}

func TestHistoryIsTheNewestEventsNewestFirst(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	for n := range int64(7) {
		publish(t, b, observation(t, events.TypeUnauthorized, "github", n))
		publish(t, b, observation(t, events.TypeUnauthorized, "gitlab", n))
	}
	history, err := b.History(t.Context(), bus.StreamAuth, "auth.*.github", 3)
	require.NoError(t, err)
	require.Equal(t, []uint64{13, 11, 9}, sequences(history))
	history, err = b.History(t.Context(), bus.StreamAuth, "auth.*.github", 100)
	require.NoError(t, err)
	require.Equal(t, []uint64{13, 11, 9, 7, 5, 3, 1}, sequences(history))
}

func TestEachPassesOnEverythingInOrderOverManyPages(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	const workloads, times = 300, 4
	for n := range int64(times) {
		for w := range workloads {
			publish(t, b, observation(t, events.TypeAuthorized, fmt.Sprintf("w%d", w), n))
		}
	}
	var got []bus.Message
	collect := func(m bus.Message) error { got = append(got, m); return nil }
	require.NoError(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 101, false, collect))
	require.Len(t, got, workloads*times-100)
	for i, m := range got {
		require.Equal(t, uint64(101+i), m.Sequence)
	}

	got = nil
	require.NoError(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 1, true, collect))
	require.Len(t, got, workloads)
	for i, m := range got {
		require.Equal(t, uint64(workloads*(times-1)+1+i), m.Sequence)
		require.Equal(t, int64(times-1), number(t, m))
	}

	stop := fmt.Errorf("enough")
	require.ErrorIs(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 1, true, func(bus.Message) error { return stop }), stop)
	require.ErrorIs(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 1, false, func(bus.Message) error { return stop }), stop)
}

func TestStatusKeepsOneHundredMessagesOfASubject(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	for n := range int64(103) {
		publish(t, b, status(t, events.TypeStatusChanged, "github", n))
	}
	history, err := b.History(t.Context(), bus.StreamStatus, "status.changed.github", 1000)
	require.NoError(t, err)
	require.Len(t, history, 100)
	require.Equal(t, uint64(103), history[0].Sequence)
	require.Equal(t, uint64(4), history[99].Sequence)
}

func sequences(messages []bus.Message) []uint64 {
	out := []uint64{}
	for _, m := range messages {
		out = append(out, m.Sequence)
	}
	return out
}

// eventually waits until ok, for as long as a broken test may take.
func eventually(t testing.TB, ok func() bool, msg string, args ...any) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 5*time.Millisecond, append([]any{msg}, args...)...)
}

// background runs fn until the test stops it, and returns how to.
func background(t testing.TB, fn func(ctx context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("does not end")
			return nil
		}
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return stop
}
