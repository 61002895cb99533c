package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// limitStatus makes the STATUS stream as large as what it holds and some bytes more.
func limitStatus(t *testing.T, server *natstest.Server, more int64) {
	t.Helper()
	js := jetStreamOf(t, server)
	s, err := js.Stream(t.Context(), bus.StreamStatus)
	require.NoError(t, err)
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = int64(s.CachedInfo().State.Bytes) + more
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
}

func TestHistoryGoesBeforeARecordIsRefused(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	s := start(t, b)
	for range 20 {
		publish(t, b, events.TypeAuthorized, "github", "t1")
		publish(t, b, events.TypeUnauthorized, "github", "t1")
	}
	require.Eventually(t, func() bool { w, ok := s.Workload("github"); return ok && w.Incidents == 20 }, 20*time.Second, 5*time.Millisecond)
	limitStatus(t, server, 10)
	const workloads = 10
	for n := range workloads {
		publish(t, b, events.TypeUnauthorized, fmt.Sprintf("w%d", n), "t2")
	}
	for n := range workloads {
		s.becomes(t, fmt.Sprintf("w%d", n), events.StatusUnauthenticated)
		require.Equal(t, events.StatusUnauthenticated, stored(t, b, fmt.Sprintf("w%d", n)).Status)
	}
	require.EqualValues(t, 20, stored(t, b, "github").Incidents, "the newest record stays")
	require.Eventually(t, func() bool { return b.Ready() == nil }, 20*time.Second, 10*time.Millisecond)
}

func TestAStatusStreamWithoutRoomForTheRecordsIsNotReady(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	limitStatus(t, server, 10)
	publish(t, b, events.TypeUnauthorized, "jira", "t1")
	require.Eventually(t, func() bool {
		err := b.Ready()
		return err != nil && strings.Contains(err.Error(), "stream STATUS is full")
	}, 20*time.Second, 10*time.Millisecond)
	limitStatus(t, server, 1<<20)
	s.becomes(t, "jira", events.StatusUnauthenticated)
	require.Eventually(t, func() bool { return b.Ready() == nil }, 20*time.Second, 10*time.Millisecond)
}
