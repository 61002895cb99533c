package tracker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestALostSessionSaysNothingAboutTheCredential(t *testing.T) {
	t.Parallel()
	for name, strong := range map[string]bool{"invalid_token": true, "bare": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := old(t)
			s := c.session(1)
			c.acceptIn(s, "tools/call")
			c.pass(time.Hour)
			a := c.refuse(tracker.Answer{Strong: strong, Session: s})
			require.Equal(t, tracker.Pending, c.Rule(a))
			c.pass(0)
			require.Len(t, c.asked, 1, "at once")
			require.Equal(t, tracker.SessionLost, c.Rule(a))
			require.Equal(t, uint64(1), c.Lost())

			// The others of the same moment need no question of their own.
			for range 5 {
				a = c.refuse(tracker.Answer{Strong: strong, Session: s})
				require.Equal(t, tracker.SessionLost, c.Rule(a))
			}
			require.Equal(t, uint64(6), c.Lost())
			c.pass(0)
			require.Len(t, c.asked, 1)

			fresh := c.session(2)
			c.acceptIn(fresh, "tools/call")
			c.pass(time.Minute)
			require.Empty(t, c.out)
			_, settled := c.Settled()
			require.True(t, settled)
		})
	}
}

func TestASessionThatIsBoundToTheFormerTokenSaysNothingAboutTheNewOne(t *testing.T) {
	t.Parallel()
	c := old(t)
	s := c.session(1)
	c.acceptIn(s, "tools/call")
	c.load(2)
	a := c.refuse(tracker.Answer{Strong: true, Session: s})
	c.pass(0)
	require.Equal(t, tracker.SessionLost, c.Rule(a), "also while it settles")
	// Opened with the former value, although after the loss by the clock.
	late := c.session(3)
	late.Generation = 1
	a = c.refuse(tracker.Answer{Strong: true, Session: late})
	c.pass(2 * time.Second)
	require.Equal(t, tracker.SessionLost, c.Rule(a))
	c.said("loaded", "authorized")
}

func TestAClassThatIsRefusedInANewSessionTooIsRefusedThere(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.refuse(tracker.Answer{Strong: true, Session: c.session(1)})
	c.pass(time.Second)
	require.Empty(t, c.out)
	s := c.session(2)
	a := c.refuse(tracker.Answer{Strong: true, Session: s})
	require.Equal(t, "initialize", c.elsewhere())
	require.Equal(t, tracker.Refused, c.Rule(a))
	require.Equal(t, "initialize", c.Elsewhere().Request.MCPMethod)
	require.Len(t, c.asked, 1, "the first answer is enough")

	// In the old one nothing new would be said.
	c = old(t)
	lost := c.session(1)
	for range 60 {
		a := c.refuse(tracker.Answer{Strong: true, Session: lost})
		c.pass(10 * time.Second)
		require.Equal(t, tracker.SessionLost, c.Rule(a))
	}
	require.Empty(t, c.out)
}

func TestASessionInWhichOthersAreAcceptedIsNotLost(t *testing.T) {
	t.Parallel()
	c := old(t)
	s := c.session(1)
	c.refuse(tracker.Answer{Strong: true, Session: s})
	c.pass(0)
	for n := range 3 {
		require.Empty(t, c.out, n)
		c.acceptIn(s, "tools/list")
		c.refuse(tracker.Answer{Strong: true, Session: s})
		c.pass(time.Second)
	}
	require.NotEmpty(t, c.elsewhere())
	require.Equal(t, uint64(1), c.Lost())
}

func TestATokenThatDiesInASessionIsToldAfterOneQuestion(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.says = verdict.Rejected
	a := c.refuse(tracker.Answer{Strong: true, Session: c.session(1)})
	require.Empty(t, c.out)
	c.pass(0)
	c.said("unauthorized")
	f := c.last()
	require.Equal(t, "tools/call", f.Observation.Request.MCPMethod, "what the client met")
	require.Equal(t, "tools/call", f.Behind.Class.MCPMethod)
	require.Equal(t, a.At, *f.Observation.FirstSeen)
	require.Equal(t, tracker.Dead, c.Rule(a))
	// What is known is not asked again.
	b := c.refuse(tracker.Answer{Session: c.session(2), Class: class("other")})
	require.Equal(t, tracker.Dead, c.Rule(b))
	c.pass(time.Minute)
	require.Len(t, c.asked, 1)
	require.Equal(t, int64(1), f.Observation.Rejections)
}
