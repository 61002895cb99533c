package notifier

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// expire says that a workload's credential, of that fingerprint, ends at a time.
func (s *stage) expire(name, fingerprint string, end time.Time) {
	s.t.Helper()
	s.hold(name, fingerprint, end, events.StatusExpiring)
}

// hold says that a workload has a credential and a status.
func (s *stage) hold(name, fingerprint string, end time.Time, status events.Status) {
	s.t.Helper()
	s.mu.Lock()
	rec := s.truth[name]
	rec.Workload, rec.Previous, rec.Status, rec.Since = name, rec.Status, status, s.now().UTC()
	rec.Credential = &events.Credential{Fingerprint: fingerprint, Source: "file /run/secrets/token", ExpiresAt: &end}
	rec.Reason, rec.Message = "", ""
	if status == events.StatusExpiring {
		rec.Reason, rec.Message = events.ReasonExpiresSoon, name+": the token in /run/secrets/token expires soon."
	}
	s.truth[name] = rec
	s.mu.Unlock()
	s.say(rec)
}

// warns is one receiver that is warned, and told of everything else.
func warns(c Config, before time.Duration) Config {
	c.Routes = append([]Route{{
		Match: events.Match{Status: []string{string(events.StatusExpiring)}}, Receivers: c.Routes[0].Receivers, WarnBefore: ref(before),
	}}, c.Routes...)
	return c
}

const dayLong = 24 * time.Hour

func TestARouteThatNamesExpiringWarnsOnceForEachStep(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink()
	c := warns(one(ops.config("ops")), dayLong)
	require.Empty(t, c.Validate())
	stop := s.notify(c)
	end := s.now().Add(3 * dayLong)
	s.expire("github", "aaa", end) // announced 7 days before
	s.seen()
	s.passing(time.Hour, func() bool { return len(ops.accepted()) == 1 })
	first := ops.accepted()[0]
	require.False(t, first.at.Before(end.Add(-dayLong-warnSlack)), "not before the step of the route")
	require.Equal(t, events.KindExpiring, first.alert.Kind)
	require.Regexp(t, "^github expires in (1 day|2[0-9] hours)$", first.alert.Title)
	require.Equal(t, "github", first.alert.Workloads[0].Workload)
	require.NotEmpty(t, first.alert.Workloads[0].Incident)
	s.expire("github", "aaa", end) // another proxy says so too
	stop()
	s.notify(c) // and a restart says nothing again
	s.passing(5*time.Minute, func() bool { return len(ops.accepted()) == 3 })
	for i, step := range []time.Duration{time.Hour, 5 * time.Minute} {
		told := ops.accepted()[i+1]
		require.Equal(t, events.KindExpiring, told.alert.Kind)
		require.False(t, told.at.Before(end.Add(-step)), "%s", told.at)
		require.Equal(t, first.alert.Workloads[0].Incident, told.alert.Workloads[0].Incident)
	}
	s.hold("github", "bbb", end.Add(90*dayLong), events.StatusUnverified)
	s.passing(time.Second, func() bool { return len(ops.accepted()) == 4 })
	over := ops.accepted()[3].alert
	require.Equal(t, events.KindResolved, over.Kind)
	require.Equal(t, "github has a new credential", over.Title)
	require.NotContains(t, over.Text, "not working")
}

func TestADeathIsToldBesideItsWarning(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	s.notify(warns(one(ops.config("ops")), 7*dayLong))
	s.expire("github", "f00d", s.now().Add(dayLong))
	ops.waitFor("expiring github")
	s.mu.Lock()
	dead := next(s.truth["github"], "github", true, s.now())
	end := s.now().Add(dayLong)
	dead.Credential.ExpiresAt = &end
	s.truth["github"] = dead
	s.mu.Unlock()
	s.say(dead)
	ops.waitFor("expiring github", "opened github")
	s.hold("github", "bbb", s.now().Add(90*dayLong), events.StatusUnverified)
	ops.waitFor("expiring github", "opened github", "resolved github")
	require.Equal(t, "github has a new credential", ops.accepted()[2].alert.Title, "the incident is still open")
}

func TestOnlyARouteThatNamesExpiringWarns(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops, late := s.sink(), s.sink()
	c := one(ops.config("ops"))
	c.Receivers = append(c.Receivers, late.config("late"))
	c.Routes = append([]Route{{Match: events.Match{Workload: "other", Status: []string{"expiring"}}, Receivers: []string{"late"}}}, c.Routes...)
	require.Empty(t, c.Validate())
	s.notify(c)
	s.expire("github", "aaa", s.now().Add(time.Hour))
	s.expire("other", "aaa", s.now().Add(time.Hour))
	late.waitFor("expiring other")
	s.die("last")
	ops.waitFor("opened last")
}

func TestAWarningThatNobodyHeardInTimeIsNotToldLate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := warns(one(ops.config("ops")), 7*dayLong)
	stop := s.notify(c)
	stop()
	s.expire("github", "aaa", s.now().Add(time.Hour))
	s.hold("github", "bbb", s.now().Add(90*dayLong), events.StatusRunning)
	s.notify(c)
	s.die("last")
	ops.waitFor("opened last")
	require.Len(t, ops.attempts(), 1)
}

func TestWarnBeforeIsOneOfTheStepsOnARouteThatWarns(t *testing.T) {
	t.Parallel()
	c := one(newSink(t).config("ops"))
	c.Routes[0].WarnBefore = ref(dayLong)
	var texts []string
	for _, p := range c.Validate() {
		texts = append(texts, p.Error())
	}
	require.Contains(t, strings.Join(texts, "\n"), "is for a route that names the status expiring")
	c = warns(one(newSink(t).config("ops")), 2*dayLong)
	require.Len(t, c.Validate(), 1)
	require.Contains(t, c.Validate()[0].Text, "none of 7d, 1d, 1h and 5m")
}
