package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAnIncidentThatIsMetLateKeepsItsOpeningTime(t *testing.T) {
	t.Parallel()
	rec := events.Record{Incident: "1", Incidents: 1, Since: start.Add(time.Hour), IncidentOpened: &start}
	row := Row{}.observe(rec, true, start.Add(2*time.Hour))
	require.Equal(t, start, row.Due.Opened)
	row = row.observe(events.Record{Incidents: 1, Since: start.Add(3 * time.Hour)}, true, start.Add(3*time.Hour))
	require.Equal(t, start, row.Due.Opened)
}

func TestTheStreamReadAgainIsNoFurtherChange(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	history := []events.Record{
		{Incident: "1", Incidents: 1, Since: start},
		{Incidents: 1, Since: start},
		{Incident: "2", Incidents: 2, Since: start.Add(2 * time.Second)},
		{Incidents: 2, Since: start.Add(3 * time.Second)},
	}
	var row Row
	for range 3 { // a crash after the last one, and another
		for i, rec := range history {
			row = row.observe(rec, true, start.Add(time.Duration(i)*time.Second))
		}
	}
	require.Len(t, row.Changes, len(history))
	require.False(t, row.flapping(start.Add(4*time.Second)))
	require.Equal(t, Seen{At: start.Add(3 * time.Second), Since: start.Add(3 * time.Second), Rank: 4}, row.Seen)
}
