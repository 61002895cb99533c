package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAMatchSelectsByTheTroubleThatARecordIsAbout(t *testing.T) {
	t.Parallel()
	dead := record()
	waiting := dead
	waiting.Status = events.StatusUnverified
	for name, c := range map[string]struct {
		match events.Match
		rec   events.Record
		want  bool
	}{
		"nothing given":            {events.Match{}, dead, true},
		"its name":                 {events.Match{Workload: "git*"}, dead, true},
		"another name":             {events.Match{Workload: "jira"}, dead, false},
		"its status":               {events.Match{Status: []string{"missing", "unauthenticated"}}, dead, true},
		"another status":           {events.Match{Status: []string{"missing"}}, dead, false},
		"of the incident it is in": {events.Match{Status: []string{"unauthenticated"}}, waiting, true},
		"of the incident it had":   {events.Match{Reason: []string{"invalid_token"}}, recovered(), true},
		"its label":                {events.Match{Labels: map[string]string{"team": "a*"}}, dead, true},
		"a label it has not":       {events.Match{Labels: map[string]string{"owner": "*"}}, dead, false},
	} {
		require.Equal(t, c.want, c.match.Matches(c.rec), name)
	}
}

func TestASilenceHoldsFromItsBeginningUntilItsEnd(t *testing.T) {
	t.Parallel()
	s := events.Silence{From: at("2026-11-24T10:00:00Z"), Until: at("2026-11-24T12:00:00Z")}
	require.False(t, s.Active(s.From.Add(-time.Second)))
	require.True(t, s.Active(s.From))
	require.False(t, s.Active(s.Until))
}

func TestAnAcknowledgementHoldsUntilItsEndWhereItHasOne(t *testing.T) {
	t.Parallel()
	end := at("2026-11-24T12:00:00Z")
	var none *events.Acknowledgement
	require.False(t, none.Holds(end))
	require.True(t, (&events.Acknowledgement{}).Holds(end))
	require.True(t, (&events.Acknowledgement{Until: &end}).Holds(end.Add(-time.Second)))
	require.False(t, (&events.Acknowledgement{Until: &end}).Holds(end))
}
