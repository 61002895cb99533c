package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATimeIsReadAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, berlin)
	for text, want := range map[string]time.Time{
		"":                     now,
		"2026-11-24T13:00:00Z": time.Date(2026, 11, 24, 14, 0, 0, 0, berlin),
		"2026-11-25 06:30":     time.Date(2026, 11, 25, 6, 30, 0, 0, berlin),
		"22:00":                time.Date(2026, 11, 24, 22, 0, 0, 0, berlin),
		"06:00":                time.Date(2026, 11, 25, 6, 0, 0, 0, berlin), // has passed today
	} {
		at, err := timeOf(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(at), "%s is %s", text, at)
	}
	for _, text := range []string{"tomorrow", "25:00", "2026-13-01 00:00"} {
		_, err := timeOf(text, now)
		require.ErrorContains(t, err, "is not a time; write", text)
	}
}

func TestWhoTakesCareAndWhoSilencedIsListed(t *testing.T) {
	t.Parallel()
	const body = `{"workloads":[
 {"workload":"a","status":"missing","reason":"empty","incident":"1","served_by":1,"acknowledged":{"by":"ada","at":"2026-01-01T00:00:00Z"}},
 {"workload":"b","status":"missing","reason":"empty","incident":"2","served_by":1,"silenced":{"id":"1","until":"2126-01-01T00:00:00Z","by":"root","comment":"rotating"}}]}`
	out, err := run(t, body, "list")
	require.NoError(t, err)
	require.Contains(t, out, "empty, acknowledged by ada\n")
	require.Regexp(t, `empty, silenced until 21\S+ \S+ by root: rotating\n`, out)
}
