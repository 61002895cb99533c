package tracker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestRejectionsAtRandomAreAtMostOneDeath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := begin(t, tracker.Options{After: 1, Settle: settle, Shapes: true})
		strong := rapid.Bool().Draw(t, "strong")
		refused := rapid.Custom(func(t *rapid.T) bool { return rapid.IntRange(0, 99).Draw(t, "percent") < 6 })
		for range 300 {
			c.says = verdict.Accepted
			if refused.Draw(t, "question") {
				c.says = verdict.Rejected
			}
			if refused.Draw(t, "answer") {
				c.refuse(tracker.Answer{Strong: strong, Class: shape("/items/1")})
			} else {
				c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: shape("/items/2")})
			}
			c.pass(24 * time.Millisecond)
		}
		require.LessOrEqual(t, c.deaths(), 1)
	})
}

// A living token whose servers lose sessions, delay new values, ask for patience
// and now and then refuse a request is never told dead.
func TestALivingTokenIsNotBlamedInAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := begin(t, tracker.Options{After: 1, Settle: settle})
		id := uint64(1)
		s := c.session(id)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			rpc := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "class")
			strong := rapid.Bool().Draw(t, "strong")
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0: // the server restarts
				c.refuse(tracker.Answer{Strong: strong, Class: class(rpc), Session: s})
				c.pass(time.Millisecond)
				id++
				s = c.session(id)
				c.acceptIn(s, rpc)
			case 1: // a new value, which it does not know at once
				c.load(c.gen + 1)
				for range 3 {
					c.refuse(tracker.Answer{Strong: strong, Class: class(rpc)})
					c.pass(100 * time.Millisecond)
				}
				c.accept(rpc)
			case 2:
				c.refuse(tracker.Answer{Strong: strong, Later: true, Class: class(rpc)})
			case 3: // a moment without keys
				c.accept("d")
				c.refuse(tracker.Answer{Class: class(rpc)})
				c.accept(rpc)
			case 4:
				c.refuse(tracker.Answer{FromBody: true, Class: class(rpc)})
				c.accept(rpc)
			case 5:
				c.acceptIn(s, rpc)
			case 6:
				c.pass(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			}
		}
		c.pass(time.Hour)
		require.Zero(t, c.deaths(), "%+v", c.out)
	})
}

// A dead one is told, however it is refused, within three rejections.
func TestADeadTokenIsToldHoweverItIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := begin(t, tracker.Options{After: 1, Settle: settle})
		for range rapid.IntRange(0, 5).Draw(t, "accepted") {
			c.accept(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "class"))
			c.pass(time.Duration(rapid.IntRange(0, 120).Draw(t, "s")) * time.Second)
		}
		c.says = rapid.SampledFrom([]verdict.Kind{verdict.Rejected, verdict.Nothing}).Draw(t, "question")
		for range 3 {
			c.refuse(tracker.Answer{
				Strong: rapid.Bool().Draw(t, "strong"), Class: class("a"),
				Session: tracker.Session{ID: rapid.Uint64Range(0, 2).Draw(t, "session")},
			})
			c.pass(5 * time.Second)
		}
		require.True(t, c.Rejected())
		require.Equal(t, 1, c.deaths())
	})
}
