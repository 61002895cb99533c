package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// Replicas in different time zones write the same bytes.
func TestRecordsAreInUTC(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("elsewhere", 5*3600)
	m := bus.Message{
		Event: observed(t, events.TypeUnauthorized, "github", "t1"), Subject: "auth.unauthorized.github",
		Sequence: 1, Stored: noon.In(zone), Created: stream.In(zone),
	}
	o, err := observe(m)
	require.NoError(t, err)
	r := fold(events.Record{}, o)
	require.Equal(t, noon, r.Since)
	require.Equal(t, stream, r.Observed.Stream)
}

func TestObservationMustBeAboutItsSubject(t *testing.T) {
	t.Parallel()
	m := bus.Message{Event: observed(t, events.TypeUnauthorized, "github", "t1"), Subject: "auth.unauthorized.gitlab", Sequence: 1}
	_, err := observe(m)
	require.ErrorContains(t, err, `"github"`)
}
