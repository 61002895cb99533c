package notifier

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

func TestAReceiverThatComesBackIsToldExactlyOnce(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("503", "503", "reset", "429", "503")
	s.notify(one(ops.config("ops")))
	s.die("github")
	s.passing(time.Second, func() bool { return len(ops.accepted()) > 0 })
	got := ops.attempts()
	require.Len(t, got, 6)
	for _, a := range got {
		require.Equal(t, got[0].id, a.id)
	}
	require.Equal(t, 6, s.receiptsOf(1, events.TypeAlertDelivered, "github")[0].Attempts)
	require.Empty(t, s.receipts(events.TypeAlertFailed, "github"))
}

func TestAllThatWaitedIsToldOnceTheReceiverIsBack(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("503", "503", "503", "503")
	s.notify(one(ops.config("ops")))
	var want []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		s.die(name)
		want = append(want, "opened "+name)
	}
	s.passing(time.Second, func() bool { return len(ops.accepted()) == len(want) })
	require.ElementsMatch(t, want, ops.told())
	require.Len(t, ops.attempts(), len(want)+4)
}

func TestAnIncidentThatCameAndWentInAnOutageIsOneTrueMessage(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("always 503")
	s.notify(one(ops.config("ops")))
	s.die("github")
	s.passing(time.Second, func() bool { return len(ops.attempts()) > 2 })
	s.recover("github")
	ops.say()
	s.passing(time.Second, func() bool { return len(ops.accepted()) > 0 })
	s.die("last")
	s.passing(time.Second, func() bool { return len(ops.accepted()) > 1 })
	require.Equal(t, []string{"digest github", "opened last"}, ops.told())
	alert := ops.accepted()[0].alert
	require.Equal(t, events.StatusRunning, alert.Workloads[0].Status)
	require.Equal(t, s.truth["github"].LastIncident.ID, alert.Workloads[0].LastIncident.ID)
	require.Contains(t, alert.Text, "not working from")
}

func TestAnIncidentThatCameAndWentWhileNoNotifierRanIsTold(t *testing.T) {
	t.Parallel()
	s, ops := newStage(t), newSink(t)
	c := one(ops.config("ops"))
	stop := s.notify(c)
	s.die("first")
	ops.waitFor("opened first")
	stop()
	s.die("github")
	s.recover("github")
	s.notify(c)
	ops.waitFor("opened first", "digest github")
}

func TestNothingIsSentBeforeTheTimeThatTheReceiverAskedFor(t *testing.T) {
	t.Parallel()
	clock := newClock()
	for name, test := range map[string]struct {
		wish string
		wait time.Duration
	}{
		"seconds": {"2", 2 * time.Second},
		"date":    {clock.Now().Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		"too far": {"90000", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStillStage(t)
			began := s.now()
			ops := s.sink("429 after=" + test.wish)
			s.notify(one(ops.config("ops")))
			s.die("github")
			require.Eventually(t, func() bool { return s.pending("ops") == 1 }, 20*time.Second, 5*time.Millisecond)
			s.die("other") // waits too: the wish is about the receiver
			s.clock.move(test.wait - time.Millisecond)
			s.clock.move(time.Millisecond)
			ops.waitForAll("opened github", "opened other")
			got := ops.attempts()
			require.Len(t, got, 3)
			require.Equal(t, test.wait, got[1].at.Sub(began))
			require.Equal(t, test.wait, got[2].at.Sub(began))
		})
	}
}

func TestTheTimeThatAReceiverAskedForOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	began := s.now()
	ops := s.sink("429 after=120")
	c := one(ops.config("ops"))
	stop := s.notify(c)
	s.die("github")
	require.Eventually(t, func() bool { return s.pending("ops") == 1 }, 20*time.Second, 5*time.Millisecond)
	stop()
	s.clock.move(time.Minute)
	s.die("other")
	s.notify(c)
	require.Eventually(t, func() bool { return s.waits("other") }, 20*time.Second, 5*time.Millisecond)
	s.clock.move(time.Minute - time.Millisecond)
	s.clock.move(time.Millisecond)
	ops.waitForAll("opened github", "opened other")
	got := ops.attempts()
	require.Len(t, got, 3)
	require.Equal(t, 2*time.Minute, got[1].at.Sub(began))
	require.Equal(t, 2*time.Minute, got[2].at.Sub(began))
	require.Contains(t, []string{got[1].id, got[2].id}, got[0].id)
}

func TestWhatAReceiverRefusesIsToldToItsFallback(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"400", "401", "404", "302"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			s := newStillStage(t)
			ops, mail := s.sink("always "+answer), s.sink()
			c := one(ops.config("ops"))
			c.Receivers[0].Fallback = "mail"
			c.Receivers = append(c.Receivers, mail.config("mail"))
			s.notify(c)
			s.die("github")
			mail.waitFor("opened github")
			require.Contains(t, mail.accepted()[0].alert.Text, `You get this alert because receiver "ops" did not accept it: `+answer)
			require.Len(t, ops.attempts(), 1)
			receipts := s.receiptsOf(1, events.TypeAlertFailed, "github")
			require.Equal(t, "ops", receipts[0].Receiver)
			require.Contains(t, receipts[0].Error, answer)

			ops.say() // mended: found out by the probe, and told what is true then
			s.passing(time.Minute, func() bool { return len(ops.accepted()) == 1 })
			s.recover("github")
			ops.waitFor("opened github", "resolved github")
			mail.waitFor("opened github", "resolved github")
			require.Len(t, s.receipts(events.TypeAlertFailed, "github"), 1)
		})
	}
}

func TestAReceiverThatIsGoneIsLeftAloneUntilItsConfigurationChanges(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops, mail := s.sink("410"), s.sink()
	c := one(ops.config("ops"))
	c.Receivers[0].Fallback = "mail"
	c.Receivers = append(c.Receivers, mail.config("mail"))
	stop := s.notify(c)
	s.die("github")
	mail.waitFor("opened github")
	s.passing(time.Hour, func() bool { return len(mail.accepted()) == 2 })
	s.die("search")
	mail.waitFor("opened github", "reminder github", "opened search")
	stop()
	stop = s.notify(c)
	s.die("third")
	mail.waitFor("opened github", "reminder github", "opened search", "opened third")
	require.Len(t, ops.attempts(), 1)
	stop()

	c.Receivers[0].Webhook.URL = config.Secret(ops.URL + "/new")
	s.notify(c)
	require.Eventually(t, func() bool { return len(ops.accepted()) == 3 }, 20*time.Second, 5*time.Millisecond)
}

func TestAReceiverThatCannotBeToldIsAnnouncedToTheOthersOnce(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops, console := s.sink("always 403"), s.sink()
	c := one(ops.config("ops"), console.config("console"))
	stop := s.notify(c)
	s.die("github")
	console.waitForAll("opened github", "opened ")
	stop()
	stop = s.notify(c) // still so after a restart, and not said again
	s.die("search")
	console.waitForAll("opened github", "opened ", "opened search")
	for _, a := range console.accepted() {
		if len(a.alert.Workloads) == 0 {
			require.Equal(t, "receiver/ops does not accept messages", a.alert.Title)
			require.Contains(t, a.alert.Text, "403 Forbidden")
		}
	}
	ops.say()
	s.passing(time.Minute, func() bool { return len(ops.accepted()) == 2 })
	console.waitForAll("opened github", "opened ", "opened search", "resolved ")
	stop()
}

func TestASlowReceiverGetsTheSameIDAgainAndNeverTwoAtOnce(t *testing.T) {
	t.Parallel()
	s, ops := newStage(t), newSink(t, "hang", "hang")
	c := one(ops.config("ops"))
	c.Receivers[0].Timeout = config.Duration(50 * time.Millisecond)
	s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	got := ops.attempts()
	require.Len(t, got, 3)
	require.Equal(t, got[0].id, got[1].id)
	require.Equal(t, got[0].id, got[2].id)
}

func TestAReceiverThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, deaf := newStage(t), newSink(t, "always hang")
	c := one(deaf.config("deaf"))
	c.Receivers[0].Timeout = config.Duration(time.Second)
	var sinks []*sink
	for _, name := range []string{"a", "b", "c", "d"} {
		k := newSink(t)
		sinks = append(sinks, k)
		c.Receivers = append(c.Receivers, k.config(name))
		c.Routes[0].Receivers = append(c.Routes[0].Receivers, name)
	}
	s.notify(c)
	for _, name := range []string{"w1", "w2", "w3"} {
		s.die(name)
	}
	for _, k := range sinks {
		k.waitFor("opened w1", "opened w2", "opened w3")
	}
	require.Empty(t, deaf.accepted())
}

// pending counts the messages to a receiver that were attempted and wait.
func (s *stage) pending(receiver string) int {
	s.t.Helper()
	all, err := ListPending(s.t.Context(), s.bus)
	require.NoError(s.t, err)
	n := 0
	for _, d := range all {
		if d.Receiver == receiver && d.Attempts > 0 && d.Status != 0 {
			n++
		}
	}
	return n
}

// waits reports whether a workload is on the list of what ops has not taken.
func (s *stage) waits(workload string) bool {
	s.t.Helper()
	all, err := ListPending(s.t.Context(), s.bus)
	require.NoError(s.t, err)
	for _, d := range all {
		if d.Receiver == "ops" && len(d.Workloads) > 0 && d.Workloads[0] == workload {
			return true
		}
	}
	return false
}
