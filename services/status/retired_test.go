package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func publishAs(t *testing.T, b *bus.Bus, typ, source string, o events.Observation) {
	t.Helper()
	e, err := events.New(typ, source, o.Workload, time.Now(), o)
	require.NoError(t, err)
	require.NoError(t, b.Publish(t.Context(), e))
}

func TestARetiredWorkloadIsListedForADayAndItsHistoryStays(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	publishAs(t, b, events.TypeRetired, "urn:authwatch:proxy:test", events.Observation{Workload: "github"})
	s.becomes(t, "github", events.StatusRetired)
	require.Len(t, s.Workloads(), 1)

	s.proxies.mu.Lock()
	s.proxies.now = func() time.Time { return time.Now().Add(retiredShown + time.Minute) }
	s.proxies.mu.Unlock()
	require.Empty(t, s.Workloads())
	code, _, body := s.get(t, "/api/v1/workloads/github/history")
	require.Equal(t, 200, code)
	require.Contains(t, body, `"retired"`)
	require.Equal(t, events.StatusRetired, s.workload(t, "github").Status)
}

func TestALeaseOfAnotherProxyKeepsAWorkloadInService(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	_, err := b.Bucket(bus.BucketLeases).Put(t.Context(), "proxy.b", []byte(`{"instance":"b","workloads":{"github":{"since":"2026-11-24T12:00:00Z"}}}`))
	require.NoError(t, err)
	s := start(t, b)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	publishAs(t, b, events.TypeRetired, "urn:authwatch:proxy:a", events.Observation{Workload: "github"})
	publish(t, b, events.TypeUnauthorized, "zulu", "t1")
	s.becomes(t, "zulu", events.StatusUnauthenticated)
	require.Eventually(t, func() bool {
		_, ok := observer(s.workload(t, "github").Record, "urn:authwatch:proxy:a")
		return ok
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, events.StatusUnauthenticated, s.workload(t, "github").Status)
	publishAs(t, b, events.TypeRetired, "urn:authwatch:proxy:b", events.Observation{Workload: "github"})
	s.becomes(t, "github", events.StatusRetired)
}
