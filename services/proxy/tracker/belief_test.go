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

func TestTheTimesOfWhatIsDecidedAreExact(t *testing.T) {
	t.Parallel()
	// Accepted a minute ago is not within the last minute.
	c := old(t)
	c.accept("tools/list")
	c.now = c.now.Add(time.Minute - 2*time.Millisecond)
	require.False(t, c.observe(tracker.Answer{Verdict: verdict.Rejected, Class: class("a")}), "a millisecond less")
	c = old(t)
	c.accept("tools/list")
	c.now = c.now.Add(time.Minute - time.Millisecond)
	require.True(t, c.observe(tracker.Answer{Verdict: verdict.Rejected, Class: class("a")}))

	// A dead class makes the source be read again every five seconds.
	c = old(t)
	c.reject("a")
	c.now = c.now.Add(5*time.Second - 2*time.Millisecond)
	require.False(t, c.answer(verdict.Rejected, "a"))
	c.now = c.now.Add(0)
	require.True(t, c.answer(verdict.Rejected, "a"))
	require.False(t, c.answer(verdict.Rejected, "a"))
}

func TestTheLatestRejectionIsShown(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.reject("a")
	c.reject("b")
	c.pass(6 * time.Minute)
	require.Equal(t, "b", c.last().Observation.Request.MCPMethod)
	require.Equal(t, int64(2), c.last().Observation.Rejections)
	// Of another value the rejections of the former say nothing, however late.
	later := c.now.Add(time.Hour)
	c.Observe(tracker.Answer{Generation: 1, Sent: later, At: later, Verdict: verdict.Rejected, Class: class("b"), Strong: true})
	c.Confirm(later, later, 1)
	c.load(2)
	c.reject("a")
	c.pass(6 * time.Minute)
	require.Equal(t, "a", c.last().Observation.Request.MCPMethod)
}

func TestADecisionIsBelievedOnlyByAReadingThatBeganAfterIt(t *testing.T) {
	t.Parallel()
	c := old(t)
	started := c.now
	require.True(t, c.answer(verdict.Rejected, "a"))
	c.Confirm(c.now, started, 1)
	require.False(t, c.Rejected(), "it may have been read before the value was replaced")
	c.Confirm(c.now, c.now, 1)
	require.True(t, c.Rejected())
}

func TestAnAcceptanceBetweenTheFirstAndTheLastOfSeveralRejectionsIsElsewhere(t *testing.T) {
	t.Parallel()
	c := newLife(t, 2)
	c.accept("other")
	c.pass(time.Hour)
	c.reject("a")
	c.accept("other")
	c.reject("a")
	require.Equal(t, "other", c.elsewhere())
	c = newLife(t, 2)
	c.accept("other")
	c.reject("a")
	c.reject("a")
	require.Equal(t, events.ReasonBare401, c.last().Observation.Reason(events.TypeUnauthorized))
	require.NotNil(t, c.last().Observation.AcceptedAt)
	c = newLife(t, 1)
	c.reject("a")
	require.Nil(t, c.last().Observation.AcceptedAt, "never")
}

func TestALateAcceptanceOfItsOwnClassHealsNothingElse(t *testing.T) {
	t.Parallel()
	c := old(t)
	before := c.now
	c.reject("a")
	c.reject("b")
	c.Observe(tracker.Answer{Generation: 1, Sent: before, At: c.now, Verdict: verdict.Accepted, Class: class("a")})
	c.pass(2 * time.Second)
	c.accept("b")
	require.False(t, c.Rejected(), "they still have died together")
}

func TestWhatHealedIsTold(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.reject("a")
	c.pass(2 * time.Second)
	c.accept("a")
	require.Equal(t, "a", c.last().Observation.Request.MCPMethod)
	require.Equal(t, "a", c.last().Behind.Class.MCPMethod)
}

func TestAMissingCredentialIsToldWithItsSource(t *testing.T) {
	t.Parallel()
	c := tracker.New(tracker.Options{After: 1})
	c.Load(day, tracker.Credential{Problem: "empty", Info: events.Credential{Source: "file /x"}})
	require.Equal(t, "file /x", c.Take()[0].Observation.Credential.Source)
	c = tracker.New(tracker.Options{After: 1})
	c.Load(day, tracker.Credential{Problem: "empty"})
	require.Nil(t, c.Take()[0].Observation.Credential)
}

func TestAnAcceptanceOfAnotherClassDoesNotMakeAQuestionNeedless(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.accept("tools/list")
	c.refuse(tracker.Answer{})
	c.accept("tools/list")
	require.True(t, c.ask())
}

func TestThatOneClassCannotBeOutlivedDoesNotKeepAnother(t *testing.T) {
	t.Parallel()
	c := old(t)
	c.reject("a")
	for n := range 20 {
		c.refuse(tracker.Answer{Strong: true, Class: tracker.Class{MCPMethod: fmt.Sprint(n), Own: true}})
	}
	c.says = verdict.Nothing
	for range 8 {
		c.accept("other")
		c.pass(10 * time.Second)
	}
	require.True(t, c.Rejected())
	// Each own question is accepted again: if a were there, it would stay rejected.
	for n := range 20 {
		require.True(t, c.Rejected())
		c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: tracker.Class{MCPMethod: fmt.Sprint(n), Own: true}})
	}
	require.False(t, c.Rejected())
}

func TestALateAcceptanceDoesNotMakeUpForWhatWasRefusedAgain(t *testing.T) {
	t.Parallel()
	c := old(t)
	outlived := func(seconds int) bool {
		c.reject("a")
		for range seconds / 10 {
			c.accept("other")
			c.pass(10 * time.Second)
		}
		c.accept("other")
		return !c.Rejected()
	}
	require.True(t, outlived(60))
	before := c.now
	c.reject("a")
	c.Observe(tracker.Answer{Generation: 1, Sent: before, At: c.now, Verdict: verdict.Accepted, Class: class("a")})
	require.False(t, outlived(60))
}
