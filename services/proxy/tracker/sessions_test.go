package tracker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/tracker"
)

func TestASessionIsKnownByAHashAndWhenItWasOpened(t *testing.T) {
	t.Parallel()
	s := tracker.NewSessions()
	require.Zero(t, s.Of(""))
	unknown := s.Of("a")
	require.NotZero(t, unknown.ID)
	require.Zero(t, unknown.Opened)
	s.Open("a", day, 7)
	known := s.Of("a")
	require.Equal(t, tracker.Session{ID: unknown.ID, Opened: day, Generation: 7}, known)
	require.NotEqual(t, known.ID, s.Of("b").ID)
	s.Open("a", day.Add(time.Second), 8)
	require.Equal(t, uint64(8), s.Of("a").Generation)
}

func TestOnlyTheLatestSessionsAreRemembered(t *testing.T) {
	t.Parallel()
	s := tracker.NewSessions()
	for n := range 3 * 4096 {
		s.Open(fmt.Sprint(n), day, 1)
		s.Open(fmt.Sprint(n), day, 1) // takes no more room
	}
	for n := range 2 * 4096 {
		require.Zero(t, s.Of(fmt.Sprint(n)).Opened, n)
	}
	for n := range 4096 {
		require.Equal(t, day, s.Of(fmt.Sprint(2*4096+n)).Opened, n)
	}
}
