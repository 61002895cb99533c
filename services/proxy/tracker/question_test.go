package tracker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestAnAcceptanceOfTheClassBeforeTheQuestionIsAnsweredVoidsTheSuspicion(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.says = verdict.Rejected
	c.accept("tools/list")
	a := c.refuse(tracker.Answer{})
	generation, ok := c.Ask(c.now)
	require.True(t, ok)
	sent := c.now
	c.accept("tools/call")
	require.False(t, c.Answered(tracker.Answer{Generation: generation, Sent: sent, At: c.now, Verdict: verdict.Rejected}))
	require.Equal(t, tracker.Alive, c.Rule(a))
	c.pass(time.Minute)
	require.Empty(t, c.out)
}

func TestAnUnclearAnswerLeavesTheDecisionToTheNextRejections(t *testing.T) {
	t.Parallel()
	c := begin(t, tracker.Options{After: 2})
	c.accept("tools/list")
	c.pass(time.Hour)
	c.says = verdict.Nothing
	s := c.session(1)
	refuse := func() tracker.Ruling {
		a := c.refuse(tracker.Answer{Strong: true, Session: s})
		c.pass(time.Second)
		return c.Rule(a)
	}
	require.Equal(t, tracker.Unclear, refuse())
	require.Equal(t, tracker.Unclear, refuse())
	require.Equal(t, 0, c.deaths())
	require.Equal(t, tracker.Unclear, refuse(), "it was asked again")
	c.says = verdict.Accepted
	require.Equal(t, tracker.SessionLost, refuse())
	c.says = verdict.Nothing
	c.pass(time.Hour)
	c.accept("tools/call")
	require.Equal(t, 0, c.deaths())

	c = old(t)
	c.says = verdict.Nothing
	s = c.session(1)
	require.Equal(t, tracker.Unclear, refuse())
	require.Equal(t, tracker.Dead, refuse())
	c.said("unauthorized")
	require.Equal(t, int64(2), c.last().Observation.Rejections)
}

func TestAQuestionAboutScopesIsToldAndIsNoDeath(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.says = verdict.Forbidden
	a := c.refuse(tracker.Answer{Session: c.session(1)})
	c.pass(time.Minute)
	c.said("forbidden")
	require.Equal(t, tracker.Alive, c.Rule(a))
}

func TestQuestionsAreASecondApartAndOneAtATime(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.accept("tools/list")
	c.refuse(tracker.Answer{})
	generation, ok := c.Ask(c.now)
	require.True(t, ok)
	require.Equal(t, uint64(1), generation)
	c.refuse(tracker.Answer{Class: class("b")})
	_, ok = c.Ask(c.now.Add(time.Hour))
	require.False(t, ok, "one is under way")
	sent := c.now
	c.now = c.now.Add(100 * time.Millisecond)
	c.Answered(tracker.Answer{Generation: 1, Sent: sent, At: c.now, Verdict: verdict.Accepted, Class: tracker.Class{Own: true}})
	c.refuse(tracker.Answer{})
	_, ok = c.Ask(sent.Add(time.Second - 2*time.Millisecond))
	require.False(t, ok)
	_, ok = c.Ask(sent.Add(time.Second))
	require.True(t, ok)
	// The answer about a value that was replaced says nothing, and makes room.
	c.load(2)
	c.Answered(tracker.Answer{Generation: 1, Sent: c.now, At: c.now, Verdict: verdict.Rejected})
	require.Equal(t, tracker.Replaced, c.Rule(tracker.Answer{Generation: 1}))
	c.refuse(tracker.Answer{Session: c.session(1)})
	_, ok = c.Ask(c.now)
	require.True(t, ok)
}

func TestNothingIsAskedAboutWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c := tracker.New(tracker.Options{After: 1})
	_, ok := c.Ask(day)
	require.False(t, ok)
	c.Load(day, tracker.Credential{Problem: "empty"})
	require.False(t, c.Observe(tracker.Answer{Verdict: verdict.Rejected}))
	_, ok = c.Ask(day)
	require.False(t, ok)
}

func TestTheProxysOwnQuestionIsHealedOnlyByItself(t *testing.T) {
	t.Parallel()
	own := tracker.Class{Method: "POST", Path: "/mcp", MCPMethod: "initialize", Own: true}
	c := old(t)
	c.refuse(tracker.Answer{Strong: true, Class: own})
	require.True(t, c.Rejected())
	for range 5 {
		c.accept("initialize")
		c.accept("tools/list")
		c.pass(10 * time.Second)
	}
	require.True(t, c.Rejected(), "anonymous requests may be accepted everywhere else")
	c.says = verdict.Rejected
	c.pass(11 * time.Second)
	require.Len(t, c.asked, 1, "it is asked again after a minute, as others are accepted")
	require.True(t, c.Rejected())
	c.accept("tools/list")
	c.pass(58 * time.Second)
	require.Len(t, c.asked, 1)
	c.says = verdict.Accepted
	c.pass(2 * time.Second)
	require.Len(t, c.asked, 2)
	require.False(t, c.Rejected())
}

func TestAnOwnQuestionThatIsAcceptedDoesNotSetApartWhatDiedTogether(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.reject("a")
	c.reject("b")
	c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: tracker.Class{Own: true}})
	c.accept("a")
	require.False(t, c.Rejected())
}
