package notifier

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAWindowIsOpenAtItsTimesOfItsDays(t *testing.T) {
	t.Parallel()
	night := Window{Days: []string{"fri"}, From: "22:00", To: "06:00", Timezone: "Europe/Berlin"}
	for at, open := range map[string]bool{
		"2026-11-27T20:59:59Z": false, // Friday, 21:59:59 in Berlin
		"2026-11-27T21:00:00Z": true,
		"2026-11-28T04:59:59Z": true, // it goes on into Saturday
		"2026-11-28T05:00:00Z": false,
		"2026-11-28T21:30:00Z": false,
		"2026-07-31T20:30:00Z": true, // and in summer
	} {
		now, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		from, to, ok := night.at(now)
		require.Equal(t, open, ok, at)
		if ok {
			require.Equal(t, 8*time.Hour, to.Sub(from))
		}
	}
	_, _, ok := Window{From: "00:00", To: "00:00"}.at(time.Now())
	require.True(t, ok, "all day, every day")
}

func TestAWindowThatNeverComesIsRefused(t *testing.T) {
	t.Parallel()
	c := one(newSink(t).config("ops"))
	c.Maintenance = []Window{{Days: []string{"fryday"}, From: "25:00", To: "", Timezone: "Mars/Base", Match: events.Match{Workload: "[a"}}}
	var texts []string
	for _, p := range c.Validate() {
		texts = append(texts, p.Error())
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"is not a day", "maintenance[0].from", "maintenance[0].to", "Mars/Base", "not a valid pattern"} {
		require.Contains(t, all, want)
	}
}

func TestAMaintenanceWindowSilencesAndIsShownAsASilence(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Maintenance = []Window{{Match: events.Match{Workload: "staging-*"}, From: "00:00", To: "00:00", Comment: "nightly"}}
	require.Empty(t, c.Validate())
	stop := s.notify(c)
	require.Eventually(t, func() bool {
		_, ok := s.service.session.Load().dispatcher.silences.For(events.Record{Workload: "staging-a"}, s.now())
		return ok
	}, 20*time.Second, 5*time.Millisecond)
	s.die("staging-a", "prod-a")
	ops.waitFor("opened prod-a")
	all, err := SilenceList(t.Context(), s.bus)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "configuration", all[0].By)
	require.Equal(t, "nightly", all[0].Comment)
	stop()
	s.notify(c) // the next leader makes no other
	s.die("last")
	ops.waitFor("opened prod-a", "opened last")
	all, err = SilenceList(t.Context(), s.bus)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
