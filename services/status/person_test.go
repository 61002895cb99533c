package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestAPersonForgetsWhatNobodyServesAndNothingElse(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	require.ErrorIs(t, Forget(t.Context(), b, Word{Workload: "github"}), errUnknown)
	require.ErrorIs(t, Forget(t.Context(), b, Word{Workload: "*"}), events.ErrWorkload)

	publish(t, b, events.TypeUnauthorized, "github", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	leases := b.Bucket(bus.BucketLeases)
	_, err := leases.Put(t.Context(), "proxy.a", []byte(`{"instance":"edge-1","workloads":{"github":{"since":"2026-11-24T12:00:00Z"}}}`))
	require.NoError(t, err)
	err = Forget(t.Context(), b, Word{Workload: "github"})
	require.ErrorIs(t, err, errServed)
	require.ErrorContains(t, err, "edge-1")
	require.Equal(t, events.StatusUnauthenticated, s.workload(t, "github").Status)

	require.NoError(t, leases.Delete(t.Context(), "proxy.a"))
	require.Eventually(t, func() bool { return s.workload(t, "github").ServedBy == 0 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, Forget(t.Context(), b, Word{Workload: "github", By: "ada", Note: "moved"}))
	w := s.becomes(t, "github", events.StatusRetired)
	require.Contains(t, w.Message, "ada asked to forget it: moved")
	require.Equal(t, events.TypeRetired, w.Cause.Type)
	require.ErrorIs(t, Forget(t.Context(), b, Word{Workload: "github"}), errRetired)
}

func TestAPersonAcknowledgesTheOpenIncident(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	require.ErrorIs(t, Acknowledge(t.Context(), b, Word{Workload: "github", By: "ada"}), errNotOpen)

	publish(t, b, events.TypeUnauthorized, "github", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	end := time.Now().Add(4 * time.Hour).UTC()
	require.NoError(t, Acknowledge(t.Context(), b, Word{Workload: "github", By: "ada", Note: "on it", Until: end}))
	m, err := b.Last(t.Context(), bus.StreamStatus, "status.*.github")
	require.NoError(t, err)
	r, err := events.ParseStatus(m.Event)
	require.NoError(t, err)
	require.Equal(t, "ada", r.Acknowledged.By)
	require.Equal(t, "on it", r.Acknowledged.Note)
	require.Equal(t, end, *r.Acknowledged.Until)
	require.Eventually(t, func() bool { return s.workload(t, "github").Acknowledged != nil }, 10*time.Second, 5*time.Millisecond)
	_, _, page := s.get(t, "/workloads/github")
	require.Contains(t, page, "by <bdi>ada</bdi>")
	require.Contains(t, page, "<bdi>on it</bdi>")

	require.NoError(t, Acknowledge(t.Context(), b, Word{Workload: "github", By: "grace"}))
	require.Eventually(t, func() bool { return s.workload(t, "github").Acknowledged.By == "grace" }, 10*time.Second, 5*time.Millisecond)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	require.Nil(t, s.becomes(t, "github", events.StatusRunning).Acknowledged)
}

func TestASilenceIsShownWithTheWorkloadThatItHoldsBack(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	publish(t, b, events.TypeUnauthorized, "jira", "t1")
	s.becomes(t, "github", events.StatusUnauthenticated)
	s.becomes(t, "jira", events.StatusUnauthenticated)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	silences := b.Bucket(bus.BucketSilences)
	_, err := silences.Put(t.Context(), "one", []byte(`{"id":"one","match":{"workload":"git*"},"from":"2026-01-01T00:00:00Z","until":"`+until+`","by":"root","comment":"rotating"}`))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.workload(t, "github").Silenced != nil }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "root", s.workload(t, "github").Silenced.By)
	require.Nil(t, s.workload(t, "jira").Silenced)
	for _, path := range []string{"/", "/workloads/github"} {
		_, _, page := s.get(t, path)
		require.Regexp(t, `silenced until <time[^>]*>[^<]+</time> by <bdi>root</bdi>: <bdi>rotating</bdi>`, page, path)
	}
	_, _, page := s.get(t, "/workloads/jira")
	require.NotContains(t, page, "silenced")
	require.NoError(t, silences.Delete(t.Context(), "one"))
	require.Eventually(t, func() bool { return s.workload(t, "github").Silenced == nil }, 10*time.Second, 5*time.Millisecond)
}
