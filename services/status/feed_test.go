package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestFeedIsResumedOverARestart(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	feed := s.follow(t, "")
	publish(t, b, events.TypeLoaded, "github", "t1")
	id, typ, e := feed.next()
	require.Equal(t, events.TypeStatusChanged, typ)
	r, err := events.ParseStatus(e)
	require.NoError(t, err)
	require.Equal(t, events.StatusUnverified, r.Status)
	s.stop()

	publish(t, b, events.TypeAuthorized, "github", "t1")
	publish(t, b, events.TypeForbidden, "github", "t1")
	s = start(t, b)
	require.Eventually(t, func() bool { return s.workload(t, "github").Forbidden != nil }, 10*time.Second, 5*time.Millisecond)
	feed = s.follow(t, id)
	next, typ, _ := feed.next()
	require.NotEqual(t, id, next)
	require.Equal(t, events.TypeStatusChanged, typ)
	_, typ, _ = feed.next()
	require.Equal(t, events.TypeStatusUpdated, typ)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	_, _, e = feed.next()
	r, err = events.ParseStatus(e)
	require.NoError(t, err)
	require.Equal(t, events.StatusUnauthenticated, r.Status)
}
