package notifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// retire takes workloads out of service.
func (s *stage) retire(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.mu.Lock()
		rec := next(s.truth[name], name, false, s.now())
		rec.Status, rec.LastIncident.Retired = events.StatusRetired, true
		rec.Message = name + ": it was removed from the configuration."
		s.truth[name] = rec
		s.mu.Unlock()
		s.say(rec)
	}
}

func TestTheEndOfAWorkloadIsToldOnceToWhoKnowsItAsOpen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops, quiet := s.sink(), s.sink()
	c := one(ops.config("ops"))
	c.Receivers = append(c.Receivers, quiet.config("quiet"))
	c.Routes = []Route{
		{Match: events.Match{Workload: "other"}, Receivers: []string{"quiet"}},
		{Receivers: []string{"ops"}},
	}
	stop := s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	s.retire("github")
	ops.waitFor("opened github", "resolved github")
	told := ops.accepted()[1].alert
	require.Equal(t, "github was removed from the configuration", told.Title)
	require.Contains(t, told.Text, "then it was removed from the configuration")
	require.NotContains(t, told.Title+told.Text, "recovered")
	require.True(t, told.Workloads[0].LastIncident.Retired)
	stop()
	s.notify(c) // nothing is repeated, and nobody is reminded
	s.die("last", "other")
	ops.waitFor("opened github", "resolved github", "opened last")
	quiet.waitFor("opened other")
	require.Len(t, quiet.attempts(), 1)
}

func TestAnEndThatIsToldLateIsNoRecovery(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	stop := s.notify(one(ops.config("ops")))
	s.die("github", "gitlab")
	ops.waitFor("opened github", "opened gitlab")
	stop()
	s.retire("github", "gitlab")
	s.die("github") // it was added again, and died again
	s.recover("github")
	s.notify(one(ops.config("ops")))
	require.Eventually(t, func() bool { return len(ops.accepted()) >= 4 }, 20*time.Second, 5*time.Millisecond)
	for _, a := range ops.accepted()[2:4] {
		if a.alert.Kind == events.KindResolved {
			require.Contains(t, a.alert.Title, "was removed from the configuration", "%+v", a.alert)
		}
	}
}

func TestNobodyIsRemindedOfWhatSomebodyTakesCareOf(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	s.die("github", "gitlab")
	s.seen()
	s.passing(time.Second, func() bool { return len(ops.accepted()) == 2 })
	end := s.now().Add(10 * time.Hour)
	rec := s.truth["github"]
	rec.Acknowledged = &events.Acknowledgement{By: "ada", At: s.now(), Until: &end}
	s.say(rec)
	s.seen()
	s.passing(time.Hour, func() bool { return len(ops.accepted()) >= 5 })
	for _, a := range ops.accepted()[2:] {
		if a.alert.Workloads[0].Workload == "github" {
			require.False(t, a.at.Before(end), "%s", a.at)
		}
	}
	s.die("github2")
	s.recover("github")
	s.seen()
	s.passing(time.Minute, func() bool {
		for _, a := range ops.accepted() {
			if a.alert.Kind == events.KindResolved {
				return true
			}
		}
		return false
	})
	s.die("github") // a new incident is not acknowledged
	s.seen()
	n := len(ops.accepted())
	s.passing(time.Hour, func() bool {
		for _, a := range ops.accepted()[n:] {
			if a.alert.Kind == events.KindReminder && a.alert.Workloads[0].Workload == "github" {
				return true
			}
		}
		return false
	})
}

func TestWhatIsAcknowledgedIsSaidToBeWaitingForThePerson(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	s.die("github")
	ops.waitFor("opened github")
	rec := s.truth["github"]
	rec.Acknowledged = &events.Acknowledgement{By: "ada", At: s.now()}
	s.say(rec)
	require.Eventually(t, func() bool {
		all, err := WaitingFor(t.Context(), s.bus, "github")
		return err == nil && len(all) == 1 && all[0].For == "person"
	}, 20*time.Second, 5*time.Millisecond)
}

func TestWhoSilencedWhatAndWhoEndedItIsKept(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	added, err := SilenceAdd(t.Context(), s.bus, events.Silence{
		Match: events.Match{Workload: "git*"}, Until: time.Now().Add(time.Hour), By: "ada", Comment: "rotating",
	})
	require.NoError(t, err)
	require.NoError(t, SilenceExpire(t.Context(), s.bus, added.ID, "grace"))
	var kept []string
	require.NoError(t, s.bus.Each(t.Context(), bus.StreamAlert, "alert.>", 1, false, func(m bus.Message) error {
		one, err := events.ParseSilence(m.Event)
		require.NoError(t, err)
		require.Equal(t, added.ID, one.ID)
		require.Equal(t, added.Match, one.Match)
		kept = append(kept, m.Subject+" by "+one.By+": "+one.Comment)
		return nil
	}))
	require.Equal(t, []string{"alert.silenced by ada: rotating", "alert.unsilenced by grace: rotating"}, kept)
}

func TestAnIDThatNoSilenceHasIsSaidToBeUnknown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, id := range []string{"NOPE", "", "a b", "a.b", ">", "019ab63c-e641-70bf-aa76-38d070ceff9d"} {
		err := SilenceExpire(t.Context(), s.bus, id, "ada")
		require.ErrorIs(t, err, errNoSilence, id)
	}
}

func TestWhatASilenceHoldsBackIsPendingAsSilenced(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	s.die("told")
	ops.waitFor("opened told")
	added, err := SilenceAdd(t.Context(), s.bus, events.Silence{
		Match: events.Match{Workload: "git*"}, Until: time.Now().Add(time.Hour), By: "ada", Comment: "rotating",
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, ok := s.service.session.Load().dispatcher.silences.For(events.Record{Workload: "github"}, s.now())
		return ok
	}, 20*time.Second, 5*time.Millisecond)
	s.die("github")
	require.Eventually(t, func() bool {
		all, err := ListPending(t.Context(), s.bus)
		return err == nil && len(all) == 1 && all[0].State == StateSilenced && all[0].Silenced.ID == added.ID
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, SilenceExpire(t.Context(), s.bus, added.ID, "ada"))
	ops.waitFor("opened told", "opened github")
}
