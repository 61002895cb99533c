package notifier

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestATestMessageGoesThroughTheRealPath(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	r, err := Test(t.Context(), s.bus, "ops")
	require.NoError(t, err)
	require.Equal(t, []string{"test "}, ops.told())
	got := ops.accepted()[0]
	require.Equal(t, got.id, r.DeliveryID)
	require.Equal(t, events.KindTest, r.Kind)
	require.Equal(t, 200, r.StatusCode)
	require.Empty(t, r.Error)
	require.Contains(t, got.alert.Text, "nothing is wrong")
	published := s.receipts(events.TypeAlertDelivered, "")
	require.Equal(t, []events.Receipt{r}, published)
}

func TestATestMessageThatIsRefusedSaysWhy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink("403")
	s.notify(one(ops.config("ops")))
	r, err := Test(t.Context(), s.bus, "ops")
	require.NoError(t, err)
	require.Equal(t, 403, r.StatusCode)
	require.Equal(t, "403 Forbidden", r.Error)
	require.Len(t, s.receipts(events.TypeAlertFailed, ""), 1)
	require.Len(t, ops.attempts(), 1)
}

func TestATestOfAnUnknownReceiverNamesTheNearest(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.notify(one(s.sink().config("ops")))
	_, err := Test(t.Context(), s.bus, "opps")
	require.ErrorIs(t, err, errNotDone)
	require.ErrorContains(t, err, `did you mean "ops"?`)
}

func TestARequestWithoutANotifierEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Test(ctx, s.bus, "ops")
	require.ErrorContains(t, err, "no notifier answered")
}

func TestACommandReachesTheNotifierThatLeadsNext(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	got := make(chan error, 1)
	go func() {
		_, err := Test(t.Context(), s.bus, "ops")
		got <- err
	}()
	s.notify(one(ops.config("ops")))
	require.NoError(t, <-got)
	require.Equal(t, []string{"test "}, ops.told())
}

func TestAReceiverThatHangsHoldsUpNoTestOfAnother(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	deaf, ops := s.sink("always hang"), s.sink()
	c := one(deaf.config("deaf"), ops.config("ops"))
	c.Receivers[0].Timeout = config.Duration(time.Hour)
	s.notify(c)
	t.Cleanup(func() { // before the notifier stops, which waits for its attempts
		deaf.say()
		deaf.CloseClientConnections()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := make(chan error, 1)
	for range maxTests + 30 { // more than the notifier serves at a time
		go func() {
			_, err := Test(ctx, s.bus, "deaf")
			if errors.Is(err, errNotDone) {
				select {
				case refused <- err:
				default:
				}
			}
		}()
	}
	require.ErrorContains(t, <-refused, "try again later")
	_, err := Test(t.Context(), s.bus, "ops")
	require.NoError(t, err)
	require.Empty(t, deaf.accepted())
}

func TestAListThatCouldNotBeReadIsNoEmptyList(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := ListPending(ctx, b)
	require.ErrorIs(t, err, bus.ErrUnavailable)
	_, err = SilenceList(ctx, b)
	require.ErrorIs(t, err, bus.ErrUnavailable)
}

func TestARefusedDeliveryIsListedAndReplayed(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("404")
	s.notify(one(ops.config("ops")))
	s.die("github")
	require.Eventually(t, func() bool { return s.pending("ops") == 1 }, 20*time.Second, 5*time.Millisecond)
	all, err := ListPending(t.Context(), s.bus)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, StateFailed, all[0].State)
	require.Equal(t, []string{"github"}, all[0].Workloads)
	require.Equal(t, 404, all[0].Status)
	require.Equal(t, "404 Not Found", all[0].Error)
	require.Equal(t, ops.attempts()[0].id, all[0].ID)
	require.True(t, all[0].Next.Equal(s.now().Add(15*time.Minute)))

	n, err := Replay(t.Context(), s.bus, "ops", all[0].ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	ops.waitFor("opened github")
	require.Equal(t, all[0].ID, ops.accepted()[0].id)
	require.Eventually(t, func() bool { return !s.waits("github") }, 20*time.Second, 5*time.Millisecond)
	n, err = Replay(t.Context(), s.bus, "ops", "")
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestAReplayOfAnIDThatNoMessageHasNamesIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.notify(one(s.sink().config("ops")))
	_, err := Replay(t.Context(), s.bus, "ops", "deadbeef")
	require.ErrorIs(t, err, errNotDone)
	require.ErrorContains(t, err, `receiver "ops" has no message with the id "deadbeef"`)
	n, err := Replay(t.Context(), s.bus, "ops", "")
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestASelfTestProvesAReceiverThatHasBeenQuiet(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.SelfTest = SelfTest{Interval: config.Duration(24 * time.Hour), Receivers: []string{"ops"}}
	s.notify(c)
	ops.waitFor("test ")
	s.passing(time.Hour, func() bool { return len(ops.accepted()) == 2 })
	require.GreaterOrEqual(t, ops.accepted()[1].at.Sub(ops.accepted()[0].at), 24*time.Hour)
}

func TestTheHeartbeatIsCalledWhileTheNotifierWorks(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	heart := s.sink()
	c := one(s.sink().config("ops"))
	c.Heartbeat = Heartbeat{URL: config.Secret(heart.URL), Interval: config.Duration(time.Minute)}
	s.notify(c)
	require.Eventually(t, func() bool { return len(heart.attempts()) == 1 }, 20*time.Second, 5*time.Millisecond)
	s.passing(time.Minute, func() bool { return len(heart.attempts()) == 2 })
}
