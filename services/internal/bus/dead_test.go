package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
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

func TestADeadLetterAlwaysFits(t *testing.T) {
	t.Parallel()
	many := nats.Header{}
	for n := range 2000 {
		many.Set(fmt.Sprintf("Nats-%d", n), "0123456789")
	}
	for name, bad := range map[string]*nats.Msg{
		"one long header":      {Header: nats.Header{"X": {strings.Repeat("x", 63<<10)}}},
		"many that NATS reads": {Header: many},
		"many values":          {Header: nats.Header{"X": slices.Repeat([]string{"0123456789"}, 4000)}},
		"a body and headers":   {Header: nats.Header{"X": {strings.Repeat("x", 30<<10)}, "Kept": {"y"}}, Data: make([]byte, 36<<10)},
		"a body":               {Data: make([]byte, 68<<10)},
		"our own headers":      {Header: nats.Header{"Dead-Sequence": {"17"}, "Dead-Cut": {strings.Repeat("x", 60<<10)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t)
			b := s.Bus(t)
			js := jetStream(t, s)
			bad.Subject = "auth.unauthorized.github"
			_, err := js.PublishMsg(t.Context(), bad)
			require.NoError(t, err)
			publish(t, b, observation(t, events.TypeUnauthorized, "github", 2))
			var l log
			background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
			eventually(t, func() bool { return len(l.all()) == 1 && consumerInfo(t, s).NumAckPending == 0 }, "both are ended")
			dead, err := js.Stream(t.Context(), bus.StreamDead)
			require.NoError(t, err)
			letter, err := dead.GetMsg(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, "1", letter.Header.Get("Dead-Sequence"))
			require.Equal(t, "auth.unauthorized.github", letter.Header.Get("Dead-Subject"))
			require.Equal(t, bad.Header.Get("Kept"), letter.Header.Get("Kept"))
			cut := letter.Header.Get("Dead-Cut")
			require.Equal(t, name != "a body", strings.Contains(cut, "headers"))
			require.Equal(t, !bytes.Equal(bad.Data, letter.Data), strings.Contains(cut, "body"))
		})
	}
}

func TestADeadLetterFitsWhereDeadTakesLess(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js, cfg := stream(t, s, bus.StreamDead)
	cfg.MaxMsgSize = 2000
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "auth.unauthorized.github", make([]byte, 60<<10))
	require.NoError(t, err)
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, new(log).handle) })
	dead, err := js.Stream(t.Context(), bus.StreamDead)
	require.NoError(t, err)
	eventually(t, func() bool {
		m, err := dead.GetMsg(t.Context(), 1)
		return err == nil && m.Header.Get("Dead-Cut") == "body" && m.Header.Get("Dead-Sequence") == "1"
	}, "the position is kept")
	eventually(t, func() bool { return consumerInfo(t, s).NumAckPending == 0 }, "it is ended")
}

// More bad messages than a consumer may have in hand, and no stream for them.
func TestBadMessagesThatNobodyTakesHoldUpNothing(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	s.Bus(t)
	reg := prometheus.NewRegistry()
	b := s.Connect(t, func(o *bus.Options) { o.Metrics = reg })
	js := jetStream(t, s)
	require.NoError(t, js.DeleteStream(t.Context(), bus.StreamDead))
	const bad = 3000
	for n := range bad {
		_, err := js.PublishAsync("auth.unauthorized.bad", []byte(strconv.Itoa(n)))
		require.NoError(t, err)
	}
	<-js.PublishAsyncComplete()
	publish(t, b, observation(t, events.TypeUnauthorized, "github", 1))
	var l log
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, l.handle) })
	eventually(t, func() bool { return len(l.all()) == 1 }, "the good one is handled")
	lost := func() float64 {
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() != "authwatch_bus_dead_letters_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if m.GetLabel()[1].GetValue() == "lost" {
					return m.GetCounter().GetValue()
				}
			}
		}
		return 0
	}
	require.GreaterOrEqual(t, lost(), float64(bad-2048))
}
