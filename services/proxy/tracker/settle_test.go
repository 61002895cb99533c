package tracker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestANewTokenMayBeRefusedAtFirst(t *testing.T) {
	t.Parallel()
	c := young(t)
	for range 9 {
		a := c.refuse(tracker.Answer{Strong: true})
		require.Equal(t, tracker.Settling, c.Rule(a))
		c.pass(200 * time.Millisecond)
	}
	c.accept("tools/call")
	c.pass(time.Minute)
	require.Empty(t, c.asked, "it was accepted in time")
	c.said("loaded", "authorized")

	// Nobody tries it again: the question does, at the end.
	c = young(t)
	c.refuse(tracker.Answer{Strong: true})
	c.pass(settle - 2*time.Millisecond)
	require.Empty(t, c.asked)
	c.pass(time.Minute)
	require.Equal(t, []time.Time{day.Add(settle)}, c.asked)
	c.said("loaded", "authorized")

	// And finds a dead one.
	c = young(t)
	c.says = verdict.Rejected
	first := c.refuse(tracker.Answer{Strong: true})
	c.refuse(tracker.Answer{Strong: true})
	c.pass(time.Minute)
	c.said("loaded", "unauthorized")
	require.Equal(t, first.At, *c.last().Observation.FirstSeen)
	require.Equal(t, int64(2), c.last().Observation.Rejections)
}

func TestAValueThatWasAcceptedOnceOrIsOlderIsNotGivenTimeToSettle(t *testing.T) {
	t.Parallel()
	c := young(t)
	c.accept("a")
	c.refuse(tracker.Answer{Strong: true})
	c.said("loaded", "authorized", "unauthorized")

	c = young(t)
	c.pass(settle)
	c.refuse(tracker.Answer{Strong: true})
	c.said("loaded", "unauthorized")

	c = begin(t, tracker.Options{After: 1, Settle: settle})
	before := c.now.Add(-settle)
	c.Load(c.now, tracker.Credential{Generation: 2, Usable: true, Info: events.Credential{Fingerprint: "2", LoadedAt: &before}})
	c.gen = 2
	c.refuse(tracker.Answer{Strong: true})
	require.True(t, c.Rejected())

	c = begin(t, tracker.Options{After: 1})
	c.refuse(tracker.Answer{Strong: true})
	require.True(t, c.Rejected())
}

func TestAQuestionThatIsRejectedBeforeTheValueHasSettledIsAskedAgain(t *testing.T) {
	t.Parallel()
	c := young(t)
	c.says = verdict.Rejected
	c.refuse(tracker.Answer{Strong: true, Session: c.session(1)})
	c.pass(0)
	require.Len(t, c.asked, 1)
	require.False(t, c.Rejected())
	c.says = verdict.Accepted
	c.pass(time.Minute)
	require.Equal(t, day.Add(settle), c.asked[1])
	c.said("loaded", "authorized")
}

func TestLaterIsNotNever(t *testing.T) {
	t.Parallel()
	c := old(t)
	a := c.refuse(tracker.Answer{Strong: true, Later: true})
	c.pass(time.Second)
	require.Equal(t, tracker.Alive, c.Rule(a))
	require.Empty(t, c.out)
	_, settled := c.Settled()
	require.True(t, settled)

	// An upstream in such a state may say to the question what is unclear.
	c = old(t)
	c.says = verdict.Nothing
	for range 10 {
		a = c.refuse(tracker.Answer{Strong: true, Later: true})
		c.pass(time.Second)
		require.Equal(t, tracker.Unclear, c.Rule(a))
	}
	require.Empty(t, c.out)

	c = old(t)
	c.says = verdict.Rejected
	c.refuse(tracker.Answer{Strong: true, Later: true})
	c.pass(time.Second)
	c.said("unauthorized")
}

func TestWhatARuleFindsInABodyIsConfirmedByTheQuestionOrTheSecondTime(t *testing.T) {
	t.Parallel()
	c := old(t)
	a := tracker.Answer{Strong: true, FromBody: true, Session: c.session(1)}
	c.refuse(a)
	c.pass(time.Second)
	require.Len(t, c.asked, 1)
	require.Empty(t, c.out, "not even for the session")
	c.accept("tools/list")
	c.refuse(a)
	require.Equal(t, "initialize", c.elsewhere())

	c = old(t)
	c.refuse(a)
	c.pass(time.Second)
	c.accept("tools/call")
	c.refuse(a)
	c.pass(time.Second)
	require.Empty(t, c.out, "accepted in between")

	c = old(t)
	c.says = verdict.Rejected
	c.refuse(a)
	c.pass(time.Second)
	c.said("unauthorized")
}

func TestTheSecondHitOfARuleHasToComeAfterTheFirst(t *testing.T) {
	t.Parallel()
	c := old(t)
	at := c.now.Add(time.Millisecond)
	hit := func(sent time.Time) bool {
		return c.Observe(tracker.Answer{Generation: 1, Sent: sent, At: at, Verdict: verdict.Rejected, Class: class("a"), FromBody: true})
	}
	require.False(t, hit(at))
	require.False(t, hit(at.Add(-time.Microsecond)), "both were under way")
	require.True(t, hit(at))
}
