package presence_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/presence"
)

func TestALeaseIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	no := false
	l := presence.Lease{Instance: "edge-1", Workloads: map[string]presence.Served{
		"github": {Reachable: &no, Since: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), Error: "connection refused"},
	}}
	value, err := json.Marshal(l)
	require.NoError(t, err)
	read, err := presence.Parse(value)
	require.NoError(t, err)
	require.Equal(t, l, read)
}

func TestALeaseOfSomebodyElseIsHarmless(t *testing.T) {
	t.Parallel()
	l, err := presence.Parse([]byte(`{"workloads":{"github":{"error":"two\nlines"},"../x":{},"A":{}},"later":1}`))
	require.NoError(t, err)
	require.Equal(t, map[string]presence.Served{"github": {Error: "two lines"}}, l.Workloads)
	_, err = presence.Parse([]byte("notifier-1"))
	require.Error(t, err)
}
