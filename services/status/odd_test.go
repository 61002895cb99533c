package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAnOddClockMakesNobodySearchTheStream(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := Observation{Source: "urn:authwatch:proxy:a", Type: events.TypeUnauthorized, Stored: now}
	for _, clock := range []time.Time{{}, time.Unix(0, 0), now.AddDate(100, 0, 0)} {
		o.Time = clock
		require.False(t, doubtful(events.Record{}, o), clock)
		said := events.Observer{Source: o.Source, Time: clock, SkewMS: now.Sub(clock).Milliseconds()}
		o.Time = now
		require.False(t, doubtful(events.Record{Observers: []events.Observer{said}}, o), clock)
	}
	o.Time = now.Add(-time.Hour)
	require.True(t, doubtful(events.Record{}, o), "a delay that an outage makes")
}
