package tracker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// life is a tracker with a clock, a source that always confirms, and an upstream
// that says the same to every question.
type life struct {
	*tracker.Tracker
	t     require.TestingT
	now   time.Time
	gen   uint64
	out   []tracker.Fact
	says  verdict.Kind
	asked []time.Time
}

var day = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newLife(t require.TestingT, after int) *life {
	return begin(t, tracker.Options{After: after})
}

func begin(t require.TestingT, o tracker.Options) *life {
	c := &life{Tracker: tracker.New(o), t: t, now: day, gen: 1, says: verdict.Accepted}
	c.load(1)
	return c
}

func (c *life) load(gen uint64) {
	c.gen = gen
	c.Load(c.now, tracker.Credential{Generation: gen, Usable: true, Info: events.Credential{Fingerprint: fmt.Sprint(gen)}})
	c.take()
}

func (c *life) take() { c.out = append(c.out, c.Take()...) }

// pass lets time go by, in steps, and does what is due.
func (c *life) pass(d time.Duration) {
	end := c.now.Add(d)
	for {
		next := c.Next()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(c.now) {
			c.now = next
		}
		c.Tick(c.now)
		c.take()
		for c.ask() {
		}
		require.True(c.t, c.Next().IsZero() || c.Next().After(c.now), "nothing stays due")
	}
	c.now = end
	c.Tick(c.now)
	c.take()
}

// ask puts the question to the upstream, if it is due.
func (c *life) ask() bool {
	generation, ok := c.Ask(c.now)
	if !ok {
		return false
	}
	c.asked = append(c.asked, c.now)
	sent := c.now
	c.now = c.now.Add(time.Millisecond)
	own := tracker.Class{Method: "POST", Path: "/mcp", MCPMethod: "initialize", Own: true}
	again := c.Answered(tracker.Answer{Generation: generation, Sent: sent, At: c.now, Verdict: c.says, Class: own, Response: events.Response{Status: 499}})
	if again {
		c.Confirm(c.now, c.now, c.gen)
	}
	c.take()
	return true
}

func class(rpc string) tracker.Class {
	return tracker.Class{Method: "POST", Path: "/mcp", MCPMethod: rpc}
}

func (c *life) answer(v verdict.Kind, rpc string) (reread bool) {
	return c.observe(tracker.Answer{Verdict: v, Class: class(rpc), Strong: true})
}

// observe is an answer a millisecond later, to a request sent then.
func (c *life) observe(a tracker.Answer) (reread bool) {
	c.now = c.now.Add(time.Millisecond)
	a.Generation, a.Sent, a.At, a.Response = c.gen, c.now, c.now, events.Response{Status: 401}
	again := c.Observe(a)
	c.take()
	return again
}

func (c *life) accept(rpc string) { c.answer(verdict.Accepted, rpc) }

// reject is a rejection that the source confirms.
func (c *life) reject(rpc string) {
	c.answer(verdict.Rejected, rpc)
	c.Confirm(c.now, c.now, c.gen)
	c.take()
}

func (c *life) said(types ...string) {
	got := []string{}
	for _, f := range c.out {
		got = append(got, strings.TrimPrefix(f.Type, "auth."))
	}
	require.Equal(c.t, types, got)
}

func (c *life) last() tracker.Fact { return c.out[len(c.out)-1] }

func TestOnlyEdgesAreTold(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	for range 10 {
		c.accept("tools/call")
	}
	c.said("loaded", "authorized")
	for range 10 {
		c.reject("tools/call")
	}
	c.said("loaded", "authorized", "unauthorized")
	c.pass(2 * time.Second)
	c.accept("tools/call")
	c.said("loaded", "authorized", "unauthorized", "authorized")
}

func TestARejectionIsNotBelievedUntilTheSourceWasReadAgain(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	require.True(t, c.answer(verdict.Rejected, "a"))
	c.said("loaded")
	c.load(2)
	c.Confirm(c.now, c.now, 1)
	c.take()
	require.False(t, c.Rejected())
	c.pass(2 * time.Second)
	c.said("loaded", "loaded")
}

func TestAnswersToAnOlderCredentialSayNothing(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	c.load(2)
	for _, v := range []verdict.Kind{verdict.Rejected, verdict.Accepted, verdict.Forbidden} {
		require.False(t, c.Observe(tracker.Answer{Generation: 1, Sent: c.now, At: c.now, Verdict: v, Class: class("a")}))
	}
	c.Confirm(c.now, c.now, 1)
	c.pass(2 * time.Second)
	c.said("loaded", "authorized", "loaded")
}

func TestSeveralRejectionsInARowCanBeAskedFor(t *testing.T) {
	t.Parallel()
	c := newLife(t, 3)
	c.accept("a")
	c.reject("a")
	c.reject("a")
	c.accept("a")
	c.reject("a")
	c.reject("a")
	c.said("loaded", "authorized")
	c.reject("a")
	c.said("loaded", "authorized", "unauthorized")
	require.Equal(t, int64(3), c.last().Observation.Rejections)

	// Of different classes, when nothing else is accepted in between.
	c = newLife(t, 3)
	c.accept("a")
	c.reject("a")
	c.reject("b")
	c.reject("c")
	c.said("loaded", "authorized", "unauthorized")

	// Of one class, although others are.
	c = newLife(t, 3)
	for range 3 {
		c.accept("a")
		c.reject("b")
	}
	c.said("loaded", "authorized", "unauthorized")
}

func TestASuccessHealsItsOwnClassOnly(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("tools/list")
	c.reject("tools/call")
	c.pass(2 * time.Second)
	c.accept("tools/list")
	c.pass(2 * time.Second)
	require.True(t, c.Rejected())
	c.said("loaded", "authorized", "unauthorized", "unauthorized")
	require.Equal(t, "tools/list", c.last().Observation.AcceptedElsewhere.Request.MCPMethod)
	c.accept("tools/call")
	c.said("loaded", "authorized", "unauthorized", "unauthorized", "authorized")
}

func TestWhatDiedTogetherHealsTogether(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("tools/list")
	c.reject("tools/list")
	c.reject("tools/call")
	c.reject("resources/list") // nobody will try it again
	c.pass(2 * time.Second)
	c.accept("tools/call")
	c.said("loaded", "authorized", "unauthorized", "authorized")
	c.reject("resources/list") // but it still is dead
	c.pass(2 * time.Second)
	c.accept("tools/call")
	c.pass(2 * time.Second)
	require.True(t, c.Rejected())
	c.said("loaded", "authorized", "unauthorized", "authorized", "unauthorized", "unauthorized")
	require.Equal(t, "tools/call", c.last().Observation.AcceptedElsewhere.Request.MCPMethod)
}

func TestAnAnswerToARequestFromBeforeARejectionHealsNothing(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	before := c.now
	c.reject("a")
	c.Observe(tracker.Answer{Generation: 1, Sent: before, At: c.now.Add(time.Millisecond), Verdict: verdict.Accepted, Class: class("a")})
	c.pass(2 * time.Second)
	c.said("loaded", "authorized", "unauthorized")
	require.True(t, c.Rejected())
}

func TestARejectedClassThatNobodyTriesIsForgotten(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	c.reject("b")
	c.pass(time.Minute)
	c.accept("a")
	c.pass(13 * time.Minute)
	require.True(t, c.Rejected())
	c.pass(time.Minute)
	require.False(t, c.Rejected())
	require.Equal(t, "auth.authorized", c.last().Type)
}

func TestARejectedClassIsNotForgottenWhileNothingWorks(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	c.reject("a")
	c.pass(time.Hour)
	require.True(t, c.Rejected())
}

func TestABadStateIsSaidAgain(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.reject("a")
	c.reject("a")
	c.pass(11 * time.Minute)
	c.said("loaded", "unauthorized", "unauthorized", "unauthorized")
	require.False(t, c.out[1].Again)
	require.False(t, c.out[1].Behind.At.IsZero())
	require.True(t, c.last().Again)
	require.Zero(t, c.last().Behind, "no request led to it")
	require.Equal(t, int64(2), c.last().Observation.Rejections)

	m := &life{Tracker: tracker.New(tracker.Options{After: 1}), t: t, now: day}
	m.Load(m.now, tracker.Credential{Problem: "empty", Detail: "it is empty"})
	m.take()
	m.pass(6 * time.Minute)
	m.said("missing", "missing")
	require.False(t, m.out[0].Again)
	require.True(t, m.last().Again)
}

func TestFlappingIsToldOnceASecondAndEndsWithTheTruth(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	for range 1000 {
		c.reject("a")
		c.pass(4 * time.Millisecond)
		c.accept("a")
		c.pass(4 * time.Millisecond)
	}
	c.says = verdict.Rejected
	c.reject("a")
	c.pass(4 * time.Second) // its word was wrong before: it takes three questions
	require.Equal(t, "auth.unauthorized", c.last().Type)
	require.Less(t, len(c.out), 15) // over ten seconds
}

func TestACredentialIsMentionedBeforeItsVerdict(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	c.load(2)
	c.load(3)
	c.reject("a")
	c.pass(2 * time.Second)
	c.said("loaded", "authorized", "loaded", "unauthorized")
	require.Equal(t, "3", c.out[2].Observation.Credential.Fingerprint)
}

func TestLackOfScopeChangesNothingAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	c.accept("a")
	for range 5 {
		c.answer(verdict.Forbidden, "b")
	}
	c.pass(10 * time.Second)
	c.said("loaded", "authorized", "forbidden")
	require.False(t, c.Rejected())
	for i := range 500 {
		c.answer(verdict.Forbidden, fmt.Sprint(i))
	}
	c.pass(5 * time.Second)
	require.Less(t, len(c.out), 12)
}

func TestClassesOfRequestsAreBounded(t *testing.T) {
	t.Parallel()
	c := newLife(t, 1)
	for i := range 10000 {
		c.reject(fmt.Sprint(i))
	}
	require.True(t, c.Rejected())
	c.accept("9999")
	require.False(t, c.Rejected())
}

// Whatever happens, what was told last is what is true, and every death that
// lasts is told.
func TestTheLastWordIsTrueAfterAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newLife(t, rapid.IntRange(1, 3).Draw(t, "after"))
		pending := false
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			rpc := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "class")
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				c.accept(rpc)
			case 2, 3:
				pending = c.answer(verdict.Rejected, rpc) || pending
			case 4:
				if pending {
					c.Confirm(c.now, c.now, c.gen)
					c.take()
					pending = false
				}
			case 5:
				c.load(c.gen + 1)
				pending = false
			case 6:
				c.pass(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			}
		}
		c.Confirm(c.now, c.now, c.gen)
		c.pass(2 * time.Second)
		want := "auth.loaded"
		if c.Rejected() {
			want = "auth.unauthorized"
		} else if _, settledOrHealed := c.Settled(); settledOrHealed {
			want = "auth.authorized"
		}
		last := c.last()
		if want == "auth.loaded" && last.Type == "auth.authorized" {
			return // accepted, with rejections below the threshold
		}
		require.Equal(t, want, last.Type)
		require.Equal(t, fmt.Sprint(c.gen), last.Observation.Credential.Fingerprint)
	})
}
