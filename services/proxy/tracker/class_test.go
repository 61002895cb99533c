package tracker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestOneRouteThatIsRefusedWhileOthersAreAcceptedIsToldAsSuch(t *testing.T) {
	t.Parallel()
	c := old(t)
	for n := range 3 {
		require.Empty(t, c.out, n)
		c.accept("tools/list")
		a := c.refuse(tracker.Answer{})
		require.Equal(t, tracker.Pending, c.Rule(a))
		c.pass(time.Second)
		if n < 2 {
			require.Equal(t, tracker.Alive, c.Rule(a))
		}
	}
	require.Len(t, c.asked, 3, "each time")
	require.Equal(t, "initialize", c.elsewhere())
	require.Equal(t, int64(3), c.last().Observation.Rejections)
	// Three refusals of one moment are not three times.
	c = old(t)
	c.accept("tools/list")
	for range 5 {
		c.refuse(tracker.Answer{})
	}
	c.pass(time.Minute)
	require.Empty(t, c.out)
	require.Len(t, c.asked, 1)
	// An acceptance of its own begins the row anew.
	c = old(t)
	for range 10 {
		c.accept("tools/list")
		c.refuse(tracker.Answer{})
		c.pass(time.Second)
		c.refuse(tracker.Answer{})
		c.pass(time.Second)
		c.accept("tools/call")
	}
	require.Empty(t, c.out)
}

func TestAClassIsHealedWhenTheOthersAreAcceptedForAMinute(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.says = verdict.Rejected
	healed := func(minutes int) {
		t.Helper()
		c.reject("tools/call")
		c.pass(2 * time.Second)
		require.True(t, c.Rejected())
		for range minutes {
			require.True(t, c.Rejected())
			for range 6 {
				c.accept("tools/list")
				c.pass(10 * time.Second)
			}
		}
		c.accept("tools/list")
		require.False(t, c.Rejected())
		c.pass(2 * time.Second)
		require.Equal(t, events.TypeAuthorized, c.last().Type)
	}
	healed(1)
	healed(5)
	// By now it is forgotten first, 15 minutes after the rejection.
	c.reject("tools/call")
	for range 89 {
		c.pass(10 * time.Second)
		c.accept("tools/list")
		require.True(t, c.Rejected())
	}
	c.pass(time.Minute)
	require.False(t, c.Rejected())
	// An acceptance of its own makes up for it.
	c.reject("tools/call")
	c.pass(2 * time.Second)
	c.accept("tools/call")
	c.pass(2 * time.Second)
	healed(1)
}

func TestARejectionOfAnyClassBeginsTheQuietMinuteAnew(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.reject("tools/call")
	for range 5 {
		for range 5 {
			c.accept("tools/list")
			c.pass(10 * time.Second)
		}
		c.reject("resources/read")
		c.accept("resources/read")
	}
	require.True(t, c.Rejected())
}

func shape(path string) tracker.Class { return tracker.Class{Method: "GET", Path: path} }

func TestManyAcceptancesOfOtherPathsHealOneThatNobodyTriesAgain(t *testing.T) {
	t.Parallel()
	c := begin(t, tracker.Options{After: 1, Shapes: true})
	accept := func(path string) { c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape(path)}) }
	accept("/health")
	c.pass(time.Hour)
	c.refuse(tracker.Answer{Strong: true, Class: shape("/report")})
	for range 19 {
		accept("/health")
		require.True(t, c.Rejected())
	}
	accept("/health")
	require.False(t, c.Rejected())
	c.pass(2 * time.Second)
	// The next time a number is not enough: it would come and go.
	c.refuse(tracker.Answer{Strong: true, Class: shape("/report")})
	for range 100 {
		accept("/health")
	}
	require.True(t, c.Rejected())
	// Identifiers in a path are no classes of their own.
	c = begin(t, tracker.Options{After: 1, Shapes: true})
	accept("/items/1")
	c.pass(time.Hour)
	for n := range 5 {
		c.refuse(tracker.Answer{Strong: true, Class: shape(fmt.Sprint("/items/", n))})
	}
	require.True(t, c.Rejected())
	require.Equal(t, "/items/4", c.request().Path, "what was asked is told")
	accept("/items/99")
	require.False(t, c.Rejected())
}

// request is of the latest rejection, said again.
func (c *life) request() *events.Request {
	c.pass(6 * time.Minute)
	return c.last().Observation.Request
}

func TestPathsWithManyValuesInOnePlaceAreOneClass(t *testing.T) {
	t.Parallel()
	c := begin(t, tracker.Options{After: 1, Shapes: true})
	c.refuse(tracker.Answer{Strong: true, Class: shape("/users/first/posts")})
	for n := range 15 {
		c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape(fmt.Sprintf("/users/name-%c/posts", 'a'+n))})
		require.True(t, c.Rejected(), n)
	}
	c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape("/users/one-more/posts")})
	require.False(t, c.Rejected(), "by now they are one class, and the first of it is healed")

	c = begin(t, tracker.Options{After: 1, Shapes: true})
	c.refuse(tracker.Answer{Strong: true, Class: shape("/report")})
	for n := range 17 {
		c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape(fmt.Sprintf("/users/name-%c", 'a'+n))})
	}
	require.True(t, c.Rejected(), "what is of another class stays as it is")

	// Of MCP the path is what it is.
	m := begin(t, tracker.Options{After: 1})
	m.refuse(tracker.Answer{Strong: true, Class: shape("/1")})
	m.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape("/2")})
	require.True(t, m.Rejected())
}
