package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestWhatCannotBeUsedGoesToTheDeadLettersAndDelaysNothing(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	nc := client(t, s)
	bad := &nats.Msg{Subject: "auth.unauthorized.github", Data: []byte("\x00no event"), Header: nats.Header{
		"X-Trace": {"kept"}, "Nats-Msg-Id": {"mine"}, "Nats-Expected-Stream": {"AUTH"},
	}}
	_, err := nc.RequestMsg(bad, time.Second)
	require.NoError(t, err)
	big := &nats.Msg{Subject: "auth.unauthorized.github", Data: make([]byte, 65<<10)}
	_, err = nc.RequestMsg(big, time.Second)
	require.NoError(t, err)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 3))
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 4))

	var l log
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			if m.Sequence == 3 {
				return bus.Terminal(errors.New("unknown\nfield"))
			}
			return l.handle(ctx, m)
		})
	})
	eventually(t, func() bool { return len(l.all()) == 1 }, "the good one is handled")
	require.Equal(t, []uint64{4}, l.of("github"))

	js, err := jetstream.New(nc)
	require.NoError(t, err)
	dead, err := js.Stream(t.Context(), bus.StreamDead)
	require.NoError(t, err)
	eventually(t, func() bool {
		info, err := dead.Info(t.Context())
		return err == nil && info.State.Msgs == 3
	}, "three dead letters")
	letters := map[string]*jetstream.RawStreamMsg{}
	for sequence := range uint64(3) {
		m, err := dead.GetMsg(t.Context(), sequence+1)
		require.NoError(t, err)
		require.Equal(t, "dead.status", m.Subject)
		require.Equal(t, "AUTH", m.Header.Get("Dead-Stream"))
		require.NotEmpty(t, m.Header.Get("Dead-Reason"))
		letters[m.Header.Get("Dead-Sequence")] = m
	}
	require.Equal(t, bad.Data, letters["1"].Data)
	require.Equal(t, "kept", letters["1"].Header.Get("X-Trace"))
	require.Equal(t, "mine", letters["1"].Header.Get("Dead-Nats-Msg-Id"))
	require.Equal(t, big.Data, letters["2"].Data)
	require.Equal(t, "unknown field", letters["3"].Header.Get("Dead-Reason"))
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "all are ended")
}

func TestFullDeadLettersHoldUpNothing(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js, cfg := stream(t, s, bus.StreamDead)
	cfg.MaxBytes = 10
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "auth.unauthorized.github", []byte("no event"))
	require.NoError(t, err)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))

	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	eventually(t, func() bool { return len(l.all()) == 1 }, "the good one is handled")
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "the bad one is ended")
	auth, err := js.Stream(t.Context(), bus.StreamAuth)
	require.NoError(t, err)
	kept, err := auth.GetMsg(t.Context(), 1)
	require.NoError(t, err, "and kept where it was")
	require.Equal(t, "no event", string(kept.Data))
}

func TestDeadLetterThatCannotBeStoredHoldsUpNoWorkload(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	admin := s.Bus(t)
	b := s.Connect(t)
	js := jetStream(t, s)
	require.NoError(t, js.DeleteStream(t.Context(), bus.StreamDead))
	_, err := js.Publish(t.Context(), "auth.unauthorized.github", []byte("no event"))
	require.NoError(t, err)
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 3))

	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	eventually(t, func() bool { return len(l.all()) == 2 }, "the good ones are handled")
	require.Equal(t, []uint64{2, 3}, l.of("github"))
	require.Equal(t, 1, consumerInfo(t, s).NumAckPending, "the bad one is kept")

	require.NoError(t, admin.Provision(t.Context(), 1))
	eventually(t, func() bool {
		dead, err := js.Stream(t.Context(), bus.StreamDead)
		return err == nil && dead.CachedInfo().State.Msgs == 1
	}, "the letter arrives")
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "and the bad one is ended")
}
