package plan

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func bad(name string) events.Record {
	return events.Record{
		Workload: name, Status: events.StatusUnauthenticated, Since: start,
		Incident: name + "-1", Incidents: 1, Reason: "invalid_token",
	}
}

func good(name string) events.Record {
	return events.Record{
		Workload: name, Status: events.StatusRunning, Since: start.Add(time.Minute), Incidents: 1,
		LastIncident: &events.Incident{ID: name + "-1", Opened: start, Closed: start.Add(time.Minute)},
	}
}

var everything = Policy{Routed: true, SendResolved: true}

// attempt takes the next delivery and answers it.
func attempt(t *testing.T, q *Queue, now time.Time, a Result) *Delivery {
	t.Helper()
	d, _ := q.Next(now)
	require.NotNil(t, d)
	q.Intent(d, now)
	q.Done(d, a, now)
	q.Stored(d)
	return d
}

func TestWhatWaitsForLongIsStoredAndHoldsTheCursorNoLonger(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 7, everything, start)
	low, ok := q.Low()
	require.True(t, ok)
	require.Equal(t, uint64(7), low)
	attempt(t, q, start, Result{Outcome: Refused, Status: 403})

	q.Observe(bad("b"), 8, everything, start)
	d, at := q.Next(start)
	require.Nil(t, d)
	require.Equal(t, start.Add(Probe), at)
	parked := q.Parked(math.MaxInt)
	require.Len(t, parked, 1)
	require.Equal(t, "b", parked[0].Workload)
	require.Equal(t, "b-1", parked[0].Row.Due.Incident)
	_, ok = q.Low()
	require.False(t, ok)
}

func TestAMessageIsUndeliveredUntilItIsAcceptedAlsoWhileItIsBeingSent(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	undelivered := func() bool { _, ok := q.Oldest(start.Add(time.Minute)); return ok }
	q.Observe(bad("a"), 1, everything, start)
	d, _ := q.Next(start)
	require.True(t, undelivered())
	q.Intent(d, start)
	require.True(t, undelivered())
	q.Done(d, Result{Outcome: Retry}, start)
	require.True(t, undelivered())
	q.Stored(d)
	require.True(t, undelivered())
	attempt(t, q, start.Add(time.Minute), Result{Outcome: Delivered})
	require.False(t, undelivered())
}

func TestAReplayBetweenTheAnswerAndItsStoringIsNotForgotten(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, everything, start)
	d, _ := q.Next(start)
	q.Intent(d, start)
	q.Done(d, Result{Outcome: Refused, Status: 403}, start)
	require.Equal(t, 1, q.Replay(d.ID))
	require.Zero(t, q.Replay("another"))
	q.Stored(d)
	again, _ := q.Next(start)
	require.Same(t, d, again)
}

func TestWhatIsStoredInPartsIsStoredInTheEnd(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, everything, start)
	attempt(t, q, start, Result{Outcome: Refused, Status: 403})
	for i, name := range []string{"b", "c", "d", "e", "f"} {
		q.Observe(bad(name), uint64(i+2), everything, start)
	}
	q.Next(start)
	stored := map[string]bool{}
	for _, want := range []int{2, 2, 1, 0} {
		writes := q.Parked(2)
		require.Len(t, writes, want)
		for _, w := range writes {
			stored[w.Workload] = true
		}
		low, held := q.Low()
		require.Equal(t, len(stored) < 5, held)
		if held {
			require.False(t, stored[string(rune('a'+low-1))], "the cursor would pass over what is not stored")
		}
	}
	require.Len(t, stored, 5)
}

func TestAnOpeningThatWasPerhapsHeardIsClosedInItsConversation(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, everything, start)
	first := attempt(t, q, start, Result{Outcome: Retry, Uncertain: true})
	attempt(t, q, start.Add(time.Minute), Result{Outcome: Retry, Status: 503}) // does not make it unheard
	q.Observe(good("a"), 2, everything, start.Add(2*time.Minute))
	d := attempt(t, q, start.Add(2*time.Minute), Result{Outcome: Delivered})
	require.Equal(t, events.KindResolved, d.Kind)
	require.Equal(t, first.ID, d.Thread)
	require.NotEqual(t, first.ID, d.ID)
}

func TestAnEndThatWasPerhapsHeardIsRepeatedAsItWasAlsoIfTheWorkloadFlapsByNow(t *testing.T) {
	t.Parallel()
	p := Policy{Routed: true, SendResolved: true, Group: "g"}
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, p, start)
	q.Observe(bad("b"), 2, p, start)
	attempt(t, q, start, Result{Outcome: Delivered})
	now := start.Add(time.Minute)
	q.Observe(good("a"), 3, p, now)
	q.Observe(good("b"), 4, p, now)
	first := attempt(t, q, now, Result{Outcome: Retry, Uncertain: true})
	require.Len(t, first.Members, 2)

	for i := range damped {
		for _, name := range []string{"a", "b"} {
			rec := good(name)
			if i%2 == 0 {
				rec = bad(name)
				rec.Incident = fmt.Sprintf("%s-%d", name, 2+i/2)
			}
			rec.Incidents = int64(2 + i/2)
			q.Observe(rec, 0, p, now)
		}
	}
	require.True(t, q.entries["a"].row.flapping(now))
	again := attempt(t, q, now.Add(time.Minute), Result{Outcome: Delivered})
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, events.KindResolved, again.Kind)
}

func TestAnOpeningThatWasNotHeardIsADigestOnceItIsOver(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, everything, start)
	attempt(t, q, start, Result{Outcome: Retry, Status: 503})
	q.Observe(good("a"), 2, everything, start.Add(time.Minute))
	d := attempt(t, q, start.Add(time.Minute), Result{Outcome: Delivered})
	require.Equal(t, events.KindDigest, d.Kind)
	require.Equal(t, d.ID, d.Thread)
	require.Equal(t, events.StatusRunning, q.entries["a"].rec.Status)
}

func TestTheLastOfAGroupIsToldAtOnceWhenTheOthersAreJustBeingTold(t *testing.T) {
	t.Parallel()
	p := Policy{Routed: true, SendResolved: true, Group: "g", Gather: time.Minute}
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("a"), 1, p, start)
	q.Observe(bad("b"), 2, p, start)
	require.Len(t, attempt(t, q, start, Result{Outcome: Delivered}).Members, 2)
	q.Observe(good("a"), 3, p, start.Add(time.Second))
	now := start.Add(2 * time.Minute)
	d, _ := q.Next(now)
	require.Equal(t, 1, d.Left)
	q.Intent(d, now)
	q.Observe(good("b"), 4, p, now)
	_, at := q.Next(now)
	require.True(t, at.After(now))
	q.Done(d, Result{Outcome: Delivered}, now)
	q.Stored(d)
	last := attempt(t, q, now, Result{Outcome: Delivered})
	require.Equal(t, "b", last.Members[0].Workload)
	require.Zero(t, last.Left)
}

func TestAMessageThatMakesItsReceiverFailDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("poison"), 1, everything, start)
	now := start
	told := 0
	for n := range 5 {
		name := string(rune('a' + n))
		q.Observe(bad(name), uint64(n+2), everything, now)
	}
	for now.Sub(start) < 10*time.Minute && told < 5 {
		d, at := q.Next(now)
		if d == nil {
			now = later(at, now.Add(time.Millisecond))
			continue
		}
		q.Intent(d, now)
		a := Result{Outcome: Delivered}
		if d.Members[0].Workload == "poison" {
			a = Result{Outcome: Retry, Status: 500, Uncertain: true}
		} else {
			told++
		}
		q.Done(d, a, now)
		q.Stored(d)
	}
	require.Equal(t, 5, told)
	require.Less(t, now.Sub(start), time.Minute)
}

func TestAWaitThatATestIsAskedForHoldsForAlertsToo(t *testing.T) {
	t.Parallel()
	q := NewQueue(Settings{Receiver: "ops"})
	q.Observe(bad("github"), 1, everything, start)
	q.Tested(Result{Outcome: Retry, RetryAfter: 30 * time.Second}, start)
	d, at := q.Next(start.Add(29 * time.Second))
	require.Nil(t, d)
	require.Equal(t, start.Add(30*time.Second), at)
	w, ok := q.Explain("github", start)
	require.True(t, ok)
	require.Equal(t, start.Add(30*time.Second), w.Until)
	d, _ = q.Next(start.Add(30 * time.Second))
	require.NotNil(t, d)

	q.Tested(Result{Outcome: Refused, RetryAfter: time.Hour}, start)
	q.Tested(Result{Outcome: Retry}, start)
	require.False(t, q.circuit.opens(start.Add(30*time.Second)).After(start.Add(30*time.Second)), "only a wish to wait is one")
}

func TestWaitsGrowToAMinuteAndHalfOfThemIsChance(t *testing.T) {
	t.Parallel()
	for n, want := range []string{"1s", "1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s"} {
		require.Equal(t, want, backoff(n, 1).String())
		require.Equal(t, backoff(n, 1)/2, backoff(n, 0))
	}
}

func TestAnIDIsOfTheReceiverTheKindTheNumberAndTheIncidents(t *testing.T) {
	t.Parallel()
	base := identity("ops", events.KindOpened, 0, "a", "b")
	require.Len(t, base, 32)
	require.Equal(t, base, identity("ops", events.KindOpened, 0, "a", "b"))
	for _, other := range []string{
		identity("opsa", events.KindOpened, 0, "b"), identity("ops", events.KindResolved, 0, "a", "b"),
		identity("ops", events.KindOpened, 1, "a", "b"), identity("ops", events.KindOpened, 0, "ab"),
		identity("ops", events.KindOpened, 0, "a"), identity("ops", events.KindOpened, 0, "b", "a"),
	} {
		require.NotEqual(t, base, other)
	}
}
