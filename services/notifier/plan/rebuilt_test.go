package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// STATUS was created anew, and the observations of the earlier incidents are gone.
func TestAnIncidentThatOpenedLaterIsDueWhateverItsNumber(t *testing.T) {
	t.Parallel()
	told := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := Row{Delivered: LastDelivered{Incident: "third", Incidents: 3, Opened: told}}
	for opened, want := range map[time.Time]bool{told.Add(-time.Hour): false, told: false, told.Add(time.Second): true} {
		rec := events.Record{Workload: "github", Incident: "first", Incidents: 1, IncidentOpened: &opened, Since: opened}
		require.Equal(t, want, row.observe(rec, true, told.Add(time.Hour)).Due != nil, opened)
	}
	row.Delivered.Opened = time.Time{}
	opened := told.Add(time.Hour)
	rec := events.Record{Workload: "github", Incident: "first", Incidents: 1, IncidentOpened: &opened}
	require.Nil(t, row.observe(rec, true, opened).Due, "a row that does not say when: the number counts")
}
