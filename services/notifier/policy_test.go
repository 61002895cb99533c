package notifier

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

func TestWorkloadsThatDieOfOneCredentialAreOneMessageAndOneEnd(t *testing.T) {
	t.Parallel()
	const many = 1000 // the most that one message names
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].GroupBy = []string{"credential"}
	s.notify(c)
	var names []string
	for i := range many {
		names = append(names, fmt.Sprintf("w%03d-%s", i, strings.Repeat("x", 58))) // and the longest names
	}
	s.die(names...)
	s.seen()
	s.passing(time.Second, func() bool { return len(ops.accepted()) > 0 })
	s.recover(names...)
	s.seen()
	s.passing(time.Second, func() bool { return len(ops.accepted()) > 1 })
	got := ops.attempts()
	require.Len(t, got, 2)
	require.Equal(t, events.KindOpened, got[0].alert.Kind)
	require.Equal(t, events.KindResolved, got[1].alert.Kind)
	for _, a := range got {
		told := a.workloads()
		slices.Sort(told)
		require.Equal(t, names, told)
	}
	require.Equal(t, names[0]+", "+names[1]+" and 998 more: token rejected (invalid_token)", got[0].alert.Title)
	s.receiptsOf(2, events.TypeAlertDelivered, names[7])
}

func TestWhatIsSaidAThousandTimesIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	stop := s.notify(one(ops.config("ops")))
	s.die("github")
	for i := range 999 {
		s.say(s.truth["github"])
		if i == 500 {
			stop()
			s.notify(one(ops.config("ops")))
		}
	}
	s.die("last")
	ops.waitFor("opened github", "opened last")
	require.Len(t, ops.attempts(), 2)
}

func TestAGroupMayBeALabel(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].GroupBy = []string{"team"}
	s.notify(c)
	for name, team := range map[string]string{"a": "platform", "b": "data", "c": "platform"} {
		s.truth[name] = events.Record{Labels: map[string]string{"team": team}}
	}
	s.die("a", "b", "c", "d")
	s.passing(100*time.Millisecond, func() bool { return len(ops.accepted()) == 3 })
	ops.waitForAll("opened a,c", "opened b", "opened d")
}

func TestAGroupThatRecoversInPartSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].GroupBy = []string{"credential"}
	s.notify(c)
	s.die("a", "b", "c")
	s.passing(100*time.Millisecond, func() bool { return len(ops.accepted()) == 1 })
	require.Equal(t, []string{"opened a,b,c"}, ops.told())
	s.recover("a", "b")
	s.passing(5*time.Second, func() bool { return len(ops.accepted()) == 2 })
	require.Equal(t, "a and b recovered, 1 still not working", ops.accepted()[1].alert.Title)
	s.recover("c")
	ops.waitFor("opened a,b,c", "resolved a,b", "resolved c")
}

func TestAHundredFlapsInAMinuteAreAtMostThreeMessagesAndTheLastIsTrue(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"ends well": false, "ends badly": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStillStage(t)
			ops := s.sink()
			s.notify(one(ops.config("ops")))
			s.die("github")
			ops.waitFor("opened github")
			s.recover("github")
			ops.waitFor("opened github", "resolved github")
			for range 99 {
				s.die("github")
				s.seen()
				s.clock.move(300 * time.Millisecond)
				s.recover("github")
				s.seen()
				s.clock.move(300 * time.Millisecond)
			}
			if open {
				s.die("github")
				s.seen()
			}
			s.passing(10*time.Second, func() bool { return len(ops.accepted()) == 3 })
			for range 100 {
				s.clock.move(time.Minute)
			}
			last := ops.accepted()[2].alert
			require.Equal(t, open, last.Workloads[0].Incident != "")
			require.Equal(t, s.truth["github"].Incident, last.Workloads[0].Incident)
		})
	}
}

func TestARestartDoesNotMakeAFlappingWorkloadLookCalm(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	stop := s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	s.recover("github")
	ops.waitFor("opened github", "resolved github")
	for range 5 {
		s.die("github")
		s.seen()
		s.clock.move(300 * time.Millisecond)
		s.recover("github")
		s.seen()
		s.clock.move(300 * time.Millisecond)
	}
	s.die("github")
	s.seen()
	stop()
	ended := s.now()
	s.notify(c)
	s.passing(time.Second, func() bool { return len(ops.accepted()) == 3 })
	require.GreaterOrEqual(t, ops.accepted()[2].at.Sub(ended), time.Minute)
	require.Equal(t, s.truth["github"].Incident, ops.accepted()[2].alert.Workloads[0].Incident)
}

func TestAnOpenIncidentIsRemindedOfAndAFinishedOneIsNot(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].RepeatInterval = ref(time.Hour)
	s.notify(c)
	s.die("github")
	s.passing(10*time.Minute, func() bool { return len(ops.accepted()) == 3 })
	require.Equal(t, []string{"opened github", "reminder github", "reminder github"}, ops.told())
	got := ops.accepted()
	require.GreaterOrEqual(t, got[2].at.Sub(got[1].at), time.Hour)
	require.NotEqual(t, got[1].id, got[2].id)
	s.recover("github")
	ops.waitFor("opened github", "reminder github", "reminder github", "resolved github")
	s.clock.move(5 * time.Hour)
	s.die("last")
	ops.waitFor("opened github", "reminder github", "reminder github", "resolved github", "opened last")
}

func TestTheFirstRouteThatMatchesDecides(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	prod, both, rest := s.sink(), s.sink(), s.sink()
	s.notify(Config{
		Receivers: []receiver.Config{rest.config("rest"), both.config("both"), prod.config("prod")},
		Routes: []Route{
			{Match: events.Match{Labels: map[string]string{"team": "plat*"}}, Receivers: []string{"both"}, Continue: true},
			{Match: events.Match{Workload: "prod-*"}, Receivers: []string{"prod"}},
			{Receivers: []string{"rest"}},
		},
	})
	s.die("prod-a", "test-b")
	labelled := next(events.Record{Labels: map[string]string{"team": "platform"}}, "prod-c", true, s.now())
	s.say(labelled)
	prod.waitFor("opened prod-a", "opened prod-c")
	both.waitFor("opened prod-c")
	rest.waitFor("opened test-b")
}

func TestANewTokenThatWaitsForItsVerdictStaysWithItsRoute(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops, rest := s.sink(), s.sink()
	s.notify(Config{
		Receivers: []receiver.Config{ops.config("ops"), rest.config("rest")},
		Routes: []Route{
			{Match: events.Match{Status: []string{"unauthenticated"}, Reason: []string{"invalid_token"}}, Receivers: []string{"ops"}},
			{Receivers: []string{"rest"}},
		},
	})
	s.die("github")
	ops.waitFor("opened github")
	waiting := s.truth["github"]
	waiting.Previous, waiting.Status = waiting.Status, events.StatusUnverified
	s.say(waiting)
	s.recover("github")
	ops.waitFor("opened github", "resolved github")
	missing := next(events.Record{}, "search", true, s.now())
	missing.Status, missing.Reason = events.StatusMissing, events.ProblemNotFound
	s.say(missing)
	rest.waitFor("opened search")
}

func TestAReceiverThatWantsNoEndsGetsOpeningsOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Receivers[0].SendResolved = new(bool)
	s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	s.recover("github")
	s.die("last")
	ops.waitFor("opened github", "opened last")
}

func TestANewReceiverGetsOpenIncidentsOnlyAndARemovedOneLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops, late := s.sink(), s.sink()
	stop := s.notify(one(ops.config("ops")))
	s.die("open", "over")
	ops.waitFor("opened open", "opened over")
	s.recover("over")
	ops.waitFor("opened open", "opened over", "resolved over")
	stop()
	s.die("passing") // came and went before there was a receiver named late
	s.recover("passing")
	stop = s.notify(one(late.config("late")))
	late.waitFor("opened open")
	s.die("last")
	late.waitFor("opened open", "opened last")
	stop()
	require.Equal(t, []string{"cursor", "row.late.last", "row.late.open"}, s.keys())
	require.Len(t, ops.attempts(), 3)
}

func TestTheOrderOfReceiversMeansNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.sink(), s.sink()
	stop := s.notify(one(a.config("a"), b.config("b")))
	s.die("github")
	a.waitFor("opened github")
	b.waitFor("opened github")
	stop()
	s.notify(one(b.config("b"), a.config("a")))
	s.die("last")
	a.waitFor("opened github", "opened last")
	b.waitFor("opened github", "opened last")
}

func TestASilenceHoldsOpeningsBackUntilItEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	s.die("told")
	ops.waitFor("opened told")
	silence, err := SilenceAdd(t.Context(), s.bus, events.Silence{
		Match: events.Match{Workload: "*"}, Until: time.Now().Add(time.Hour), By: "me", Comment: "maintenance",
	})
	require.NoError(t, err)
	s.eventuallySilenced(ops, 1)
	s.die("silent", "passing")
	s.recover("passing") // came and went in the silence: never told
	s.recover("told")    // an end is told in any case
	ops.waitFor("opened told", "resolved told")
	all, err := SilenceList(t.Context(), s.bus)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "maintenance", all[0].Comment)
	require.NoError(t, SilenceExpire(t.Context(), s.bus, silence.ID, "me"))
	ops.waitFor("opened told", "resolved told", "opened silent")
	require.ErrorIs(t, SilenceExpire(t.Context(), s.bus, silence.ID, "me"), errNoSilence)
}

// eventuallySilenced waits until the notifier knows a silence: the sink has
// heard of n messages and the stage's notifier of the bucket's change.
func (s *stage) eventuallySilenced(k *sink, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		session := s.service.session.Load()
		if session == nil || len(k.accepted()) < n {
			return false
		}
		_, silenced := session.dispatcher.silences.For(events.Record{Workload: "x"}, s.now())
		return silenced
	}, 20*time.Second, 5*time.Millisecond)
}

func TestASilenceNeedsAnEndAndAValidPattern(t *testing.T) {
	t.Parallel()
	for text, silence := range map[string]events.Silence{
		"end in the future": {Match: events.Match{Workload: "*"}},
		"not a valid":       {Match: events.Match{Workload: "[a"}, Until: time.Now().Add(time.Hour)},
	} {
		_, err := SilenceAdd(t.Context(), nil, silence)
		require.ErrorContains(t, err, text)
	}
}

func ref(d time.Duration) *config.Duration { return (*config.Duration)(&d) }
