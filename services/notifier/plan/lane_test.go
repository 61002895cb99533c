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
func attempt(t *testing.T, l *Lane, now time.Time, a Answer) *Delivery {
	t.Helper()
	d, _ := l.Next(now)
	require.NotNil(t, d)
	l.Intent(d, now)
	l.Done(d, a, now)
	l.Stored(d)
	return d
}

func TestWhatWaitsForLongIsStoredAndHoldsTheCursorNoLonger(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 7, everything, start)
	low, ok := l.Low()
	require.True(t, ok)
	require.Equal(t, uint64(7), low)
	attempt(t, l, start, Answer{Outcome: Refused, Status: 403})

	l.Observe(bad("b"), 8, everything, start)
	d, at := l.Next(start)
	require.Nil(t, d)
	require.Equal(t, start.Add(Probe), at)
	parked := l.Parked(math.MaxInt)
	require.Len(t, parked, 1)
	require.Equal(t, "b", parked[0].Workload)
	require.Equal(t, "b-1", parked[0].Row.Owed.Incident)
	_, ok = l.Low()
	require.False(t, ok)
}

func TestAMessageIsUndeliveredUntilItIsAcceptedAlsoWhileItIsBeingSent(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	undelivered := func() bool { _, ok := l.Oldest(start.Add(time.Minute)); return ok }
	l.Observe(bad("a"), 1, everything, start)
	d, _ := l.Next(start)
	require.True(t, undelivered())
	l.Intent(d, start)
	require.True(t, undelivered())
	l.Done(d, Answer{Outcome: Retry}, start)
	require.True(t, undelivered())
	l.Stored(d)
	require.True(t, undelivered())
	attempt(t, l, start.Add(time.Minute), Answer{Outcome: Delivered})
	require.False(t, undelivered())
}

func TestAReplayBetweenTheAnswerAndItsStoringIsNotForgotten(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, everything, start)
	d, _ := l.Next(start)
	l.Intent(d, start)
	l.Done(d, Answer{Outcome: Refused, Status: 403}, start)
	require.Equal(t, 1, l.Replay(d.ID))
	require.Zero(t, l.Replay("another"))
	l.Stored(d)
	again, _ := l.Next(start)
	require.Same(t, d, again)
}

func TestWhatIsStoredInPartsIsStoredInTheEnd(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, everything, start)
	attempt(t, l, start, Answer{Outcome: Refused, Status: 403})
	for i, name := range []string{"b", "c", "d", "e", "f"} {
		l.Observe(bad(name), uint64(i+2), everything, start)
	}
	l.Next(start)
	stored := map[string]bool{}
	for _, want := range []int{2, 2, 1, 0} {
		writes := l.Parked(2)
		require.Len(t, writes, want)
		for _, w := range writes {
			stored[w.Workload] = true
		}
		low, held := l.Low()
		require.Equal(t, len(stored) < 5, held)
		if held {
			require.False(t, stored[string(rune('a'+low-1))], "the cursor would pass over what is not stored")
		}
	}
	require.Len(t, stored, 5)
}

func TestAnOpeningThatWasPerhapsHeardIsClosedInItsConversation(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, everything, start)
	first := attempt(t, l, start, Answer{Outcome: Retry, Heard: true})
	attempt(t, l, start.Add(time.Minute), Answer{Outcome: Retry, Status: 503}) // does not make it unheard
	l.Observe(good("a"), 2, everything, start.Add(2*time.Minute))
	d := attempt(t, l, start.Add(2*time.Minute), Answer{Outcome: Delivered})
	require.Equal(t, events.KindResolved, d.Kind)
	require.Equal(t, first.ID, d.Thread)
	require.NotEqual(t, first.ID, d.ID)
}

func TestAnEndThatWasPerhapsHeardIsRepeatedAsItWasAlsoIfTheWorkloadFlapsByNow(t *testing.T) {
	t.Parallel()
	p := Policy{Routed: true, SendResolved: true, Group: "g"}
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, p, start)
	l.Observe(bad("b"), 2, p, start)
	attempt(t, l, start, Answer{Outcome: Delivered})
	now := start.Add(time.Minute)
	l.Observe(good("a"), 3, p, now)
	l.Observe(good("b"), 4, p, now)
	first := attempt(t, l, now, Answer{Outcome: Retry, Heard: true})
	require.Len(t, first.Members, 2)

	for i := range damped {
		for _, name := range []string{"a", "b"} {
			rec := good(name)
			if i%2 == 0 {
				rec = bad(name)
				rec.Incident = fmt.Sprintf("%s-%d", name, 2+i/2)
			}
			rec.Incidents = int64(2 + i/2)
			l.Observe(rec, 0, p, now)
		}
	}
	require.True(t, l.entries["a"].row.Flapping(now))
	again := attempt(t, l, now.Add(time.Minute), Answer{Outcome: Delivered})
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, events.KindResolved, again.Kind)
}

func TestAnOpeningThatWasNotHeardIsADigestOnceItIsOver(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, everything, start)
	attempt(t, l, start, Answer{Outcome: Retry, Status: 503})
	l.Observe(good("a"), 2, everything, start.Add(time.Minute))
	d := attempt(t, l, start.Add(time.Minute), Answer{Outcome: Delivered})
	require.Equal(t, events.KindDigest, d.Kind)
	require.Equal(t, d.ID, d.Thread)
	require.Equal(t, events.StatusRunning, l.entries["a"].rec.Status)
}

func TestTheLastOfAGroupIsToldAtOnceWhenTheOthersAreJustBeingTold(t *testing.T) {
	t.Parallel()
	p := Policy{Routed: true, SendResolved: true, Group: "g", Gather: time.Minute}
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("a"), 1, p, start)
	l.Observe(bad("b"), 2, p, start)
	require.Len(t, attempt(t, l, start, Answer{Outcome: Delivered}).Members, 2)
	l.Observe(good("a"), 3, p, start.Add(time.Second))
	now := start.Add(2 * time.Minute)
	d, _ := l.Next(now)
	require.Equal(t, 1, d.Left)
	l.Intent(d, now)
	l.Observe(good("b"), 4, p, now)
	_, at := l.Next(now)
	require.True(t, at.After(now))
	l.Done(d, Answer{Outcome: Delivered}, now)
	l.Stored(d)
	last := attempt(t, l, now, Answer{Outcome: Delivered})
	require.Equal(t, "b", last.Members[0].Workload)
	require.Zero(t, last.Left)
}

func TestAMessageThatMakesItsReceiverFailDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	l := NewLane(Settings{Receiver: "ops"})
	l.Observe(bad("poison"), 1, everything, start)
	now := start
	told := 0
	for n := range 5 {
		name := string(rune('a' + n))
		l.Observe(bad(name), uint64(n+2), everything, now)
	}
	for now.Sub(start) < 10*time.Minute && told < 5 {
		d, at := l.Next(now)
		if d == nil {
			now = later(at, now.Add(time.Millisecond))
			continue
		}
		l.Intent(d, now)
		a := Answer{Outcome: Delivered}
		if d.Members[0].Workload == "poison" {
			a = Answer{Outcome: Retry, Status: 500, Heard: true}
		} else {
			told++
		}
		l.Done(d, a, now)
		l.Stored(d)
	}
	require.Equal(t, 5, told)
	require.Less(t, now.Sub(start), time.Minute)
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
	base := ID("ops", events.KindOpened, 0, "a", "b")
	require.Len(t, base, 32)
	require.Equal(t, base, ID("ops", events.KindOpened, 0, "a", "b"))
	for _, other := range []string{
		ID("opsa", events.KindOpened, 0, "b"), ID("ops", events.KindResolved, 0, "a", "b"),
		ID("ops", events.KindOpened, 1, "a", "b"), ID("ops", events.KindOpened, 0, "ab"),
		ID("ops", events.KindOpened, 0, "a"), ID("ops", events.KindOpened, 0, "b", "a"),
	} {
		require.NotEqual(t, base, other)
	}
}
