package events_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAnIDIsAUUIDv7OfItsTimeAndNeverTheSameTwice(t *testing.T) {
	t.Parallel()
	now := at("2026-11-24T10:00:00.123Z")
	seen := map[string]bool{}
	for range 1000 {
		id := events.NewID(now)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		ms, err := strconv.ParseInt(id[0:8]+id[9:13], 16, 64)
		require.NoError(t, err)
		require.Equal(t, now.UnixMilli(), ms)
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Less(t, events.NewID(now), events.NewID(now.Add(time.Millisecond)), "ids sort by time")
}

func TestADerivedIDIsAUUIDv8AndTheSameForTheSameParts(t *testing.T) {
	t.Parallel()
	id := events.DeriveID("github", "urn:authwatch:proxy:a", "1")
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	require.Equal(t, id, events.DeriveID("github", "urn:authwatch:proxy:a", "1"))
	require.NotEqual(t, id, events.DeriveID("github", "urn:authwatch:proxy:a1", ""))
}

func TestAWorkloadNameIsADNSLabel(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "github", "prod-2", "a--b", strings.Repeat("a", 63)} {
		require.NoError(t, events.ValidWorkload(name), name)
	}
	for _, name := range []string{"", "-a", "a-", "-", "A", "a.b", "a_b", "a b", "*", ">", "ä", "a\n", strings.Repeat("a", 64)} {
		require.ErrorIs(t, events.ValidWorkload(name), events.ErrWorkload, name)
	}
}

func TestOnlyAValidTraceParentIsCarriedAndRead(t *testing.T) {
	t.Parallel()
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	carried := func(value string) string {
		e := event.New()
		events.SetTraceParent(&e, value)
		require.Equal(t, value == valid, len(e.Extensions()) == 1)
		return events.TraceParent(e)
	}
	require.Equal(t, valid, carried(valid))
	for name, value := range map[string]string{
		"empty":         "",
		"too short":     valid[1:],
		"too long":      valid + "0",
		"capitals":      strings.ToUpper(valid),
		"no hex":        strings.Replace(valid, "0af", "0ag", 1),
		"version ff":    "ff" + valid[2:],
		"no trace":      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"no parent":     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"other dashes":  strings.ReplaceAll(valid, "-", "_"),
		"a line behind": valid[:54] + "\n",
	} {
		require.Empty(t, carried(value), name)
	}
	e := event.New()
	e.SetExtension("traceparent", "from somebody else")
	require.Empty(t, events.TraceParent(e))
}

func TestANewEventHasEveryAttributeOfTheContract(t *testing.T) {
	t.Parallel()
	local := time.FixedZone("", 3600)
	e, err := events.New(events.TypeLoaded, "urn:authwatch:proxy:a", "github", time.Date(2026, 11, 24, 11, 0, 0, 5, local), events.Observation{Workload: "github"})
	require.NoError(t, err)
	require.Equal(t, "1.0", e.SpecVersion())
	require.Equal(t, "auth.loaded", e.Type())
	require.Equal(t, "urn:authwatch:proxy:a", e.Source())
	require.Equal(t, "github", e.Subject())
	require.Equal(t, "2026-11-24T10:00:00.000000005Z", e.Time().Format(time.RFC3339Nano))
	require.Equal(t, "urn:authwatch:auth.loaded:v1", e.DataSchema())
	require.Equal(t, "application/json", e.DataContentType())
	require.Equal(t, "urn:authwatch:proxy:a#"+e.ID(), events.MsgID(e))

	_, err = events.New(events.TypeLoaded, "", "github", time.Now(), events.Observation{Workload: "github"})
	require.ErrorIs(t, err, events.ErrInvalid, "no source")
	_, err = events.New(events.TypeLoaded, "urn:x", "github", time.Time{}, events.Observation{Workload: "github"})
	require.ErrorIs(t, err, events.ErrInvalid, "no time")
	_, err = events.New(events.TypeLoaded, "urn:x", "github", time.Now(), func() {})
	require.Error(t, err, "no JSON")
}
