package tracker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestMoreRejectionsCanBeAskedForUntilARouteCountsAsRefused(t *testing.T) {
	t.Parallel()
	c := begin(t, tracker.Options{After: 5})
	for n := range 5 {
		c.accept("tools/list")
		require.Equal(t, 0, c.deaths(), n)
		c.refuse(tracker.Answer{})
		c.pass(time.Second)
	}
	require.Equal(t, "initialize", c.elsewhere())
}

func TestATokenThatIsAcceptedForAnotherClassAfterItWasToldDeadIsSaidToBeRefusedThere(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.accept("tools/list")
	before := c.now
	c.pass(2 * time.Second)
	c.reject("tools/call")
	c.said("unauthorized")
	told := c.last().Observation
	require.Equal(t, events.ReasonBare401, told.Reason(events.TypeUnauthorized), "it may be dead as well")
	require.Equal(t, before, told.AcceptedElsewhere.At, "worth knowing")
	require.Equal(t, "tools/list", told.AcceptedElsewhere.Request.MCPMethod)

	c.Observe(tracker.Answer{Generation: 1, Sent: before, At: c.now, Verdict: verdict.Accepted, Class: class("slow")})
	c.pass(2 * time.Second)
	require.Len(t, c.out, 1, "it was under way before")
	c.accept("tools/list")
	c.pass(2 * time.Second)
	require.Equal(t, "tools/list", c.elsewhere())
	require.Len(t, c.out, 2)
	require.False(t, c.last().Again)
	require.Equal(t, "tools/list", c.last().Behind.Class.MCPMethod)
	for range 10 {
		c.accept("tools/list")
		c.pass(time.Second)
	}
	require.Len(t, c.out, 2)

	// Then it dies altogether.
	c.reject("tools/list")
	c.pass(2 * time.Second)
	require.Len(t, c.out, 3)
	require.Equal(t, events.ReasonBare401, c.last().Observation.Reason(events.TypeUnauthorized))
	require.Equal(t, "tools/list", c.last().Behind.Class.MCPMethod)
}

func TestAnAcceptanceOfLongAgoIsNotToldWithADeath(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.reject("tools/call")
	require.Nil(t, c.last().Observation.AcceptedElsewhere)

	c = old(t)
	c.accept("tools/call")
	c.reject("tools/call")
	require.Nil(t, c.last().Observation.AcceptedElsewhere, "the same class is not another")
}

func TestAValueThatCameBackToLifeIsDoubtedMore(t *testing.T) {
	t.Parallel()
	back := func() *life {
		c := old(t)
		c.reject("tools/call")
		c.pass(time.Minute)
		c.accept("tools/call")
		c.pass(2 * time.Minute)
		c.says = verdict.Rejected
		c.out = nil
		return c
	}
	c := back()
	a := c.refuse(tracker.Answer{})
	c.pass(2*time.Second - 3*time.Millisecond)
	require.Len(t, c.asked, 2)
	require.Empty(t, c.out)
	require.Equal(t, tracker.Pending, c.Rule(a))
	c.pass(time.Second)
	require.Len(t, c.asked, 3)
	c.said("unauthorized")

	c = back()
	c.refuse(tracker.Answer{})
	c.pass(1500 * time.Millisecond)
	c.accept("other")
	c.pass(time.Minute)
	require.Empty(t, c.out, "accepted in between")
	require.Len(t, c.asked, 2)

	c = back()
	c.refuse(tracker.Answer{Strong: true, Class: class("other")})
	c.said("unauthorized")

	// Of the class that was told dead, and was not, the upstream is not believed
	// even when it names the token.
	c = back()
	c.refuse(tracker.Answer{Strong: true})
	c.pass(1500 * time.Millisecond)
	require.Empty(t, c.out)
	c.pass(time.Second)
	require.Len(t, c.asked, 3)
	c.said("unauthorized")
	c = back()
	c.pass(10 * time.Minute)
	c.refuse(tracker.Answer{Strong: true})
	c.said("unauthorized")

	c = back()
	c.pass(10 * time.Minute)
	c.refuse(tracker.Answer{})
	c.said("unauthorized")

	// A route that is refused then has to be refused for a minute.
	c = back()
	c.says = verdict.Accepted
	for range 58 {
		c.accept("tools/list")
		c.refuse(tracker.Answer{})
		c.pass(time.Second)
		require.Empty(t, c.out)
	}
	for range 4 {
		c.accept("tools/list")
		c.refuse(tracker.Answer{})
		c.pass(time.Second)
	}
	require.NotEmpty(t, c.elsewhere())
}

func TestWeakEvidenceAgainstAFreshAcceptanceTakesTwoQuestionsInARow(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.accept("tools/list")
	c.says = verdict.Rejected
	c.refuse(tracker.Answer{})
	require.True(t, c.ask())
	require.Empty(t, c.out)
	require.True(t, c.ask(), "at once")
	c.said("unauthorized")

	c = old(t)
	c.accept("tools/list")
	c.says = verdict.Rejected
	c.refuse(tracker.Answer{})
	require.True(t, c.ask())
	c.says = verdict.Accepted
	require.True(t, c.ask())
	require.False(t, c.ask())
	c.pass(time.Minute)
	require.Empty(t, c.out)
}

func TestWeakEvidenceAgainstAYoungValueIsAskedAbout(t *testing.T) {
	t.Parallel()
	c := begin(t, tracker.Options{After: 1, Settle: 3 * time.Second})
	c.pass(10 * time.Second)
	c.says = verdict.Accepted
	c.refuse(tracker.Answer{})
	c.pass(time.Second)
	require.Len(t, c.asked, 1)
	require.Zero(t, c.deaths())
}
