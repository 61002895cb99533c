package notifier

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestOfTwoNotifiersOneTellsAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	s := &stage{t: t, bus: server.Bus(t), truth: map[string]events.Record{}}
	ops := s.sink()
	c := one(ops.config("ops"))
	first := server.Connect(t)
	one, _ := s.start(c, func(o *Options) { o.Bus, o.Instance = first, "one" })
	require.Eventually(t, func() bool { return one.session.Load() != nil }, 20*time.Second, 5*time.Millisecond)
	two, _ := s.start(c, func(o *Options) { o.Bus, o.Instance = server.Connect(t), "two" })
	s.die("a", "b", "c")
	ops.waitFor("opened a", "opened b", "opened c")
	require.Nil(t, two.session.Load())

	require.Eventually(t, func() bool { return !s.waits("c") }, 20*time.Second, 5*time.Millisecond)

	first.Close() // as if the machine were gone
	s.recover("a")
	s.die("d")
	require.Eventually(t, func() bool { return two.session.Load() != nil }, 10*time.Second, 5*time.Millisecond)
	ops.waitForAll("opened a", "opened b", "opened c", "resolved a", "opened d")
	ids := map[string]bool{}
	for _, a := range ops.accepted() {
		require.False(t, ids[a.id])
		ids[a.id] = true
	}
}

func TestALeaderThatWasReplacedSendsNothingMore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	require.Eventually(t, func() bool { return !s.waits("github") }, 20*time.Second, 5*time.Millisecond)
	// Somebody else leads, without this one having noticed yet: the row moves.
	bucket := s.bus.Bucket(bus.BucketDeliveries)
	e, err := bucket.Get(t.Context(), "row.ops.github")
	require.NoError(t, err)
	_, err = bucket.Update(t.Context(), e.Key, e.Value, e.Revision)
	require.NoError(t, err)
	before := s.service.session.Load()
	s.recover("github")
	// The write fails, the term ends, and the next one tells it once.
	ops.waitFor("opened github", "resolved github")
	require.NotSame(t, before, s.service.session.Load())
}

func TestARowThatSomebodyElseWroteIsAConflictEvenIfItIsTheSame(t *testing.T) {
	t.Parallel()
	on := natstest.Bus(t)
	bucket := on.Bucket(bus.BucketDeliveries)
	mine, other := newStore(bucket, testLog(t)), newStore(bucket, testLog(t))
	require.NoError(t, mine.put(t.Context(), "row.ops.a", plan.Row{}))
	require.NoError(t, mine.put(t.Context(), "row.ops.a", plan.Row{}))
	require.ErrorIs(t, other.put(t.Context(), "row.ops.a", plan.Row{}), bus.ErrConflict)
	// A write of ours that came through without our knowing is ours.
	data, err := json.Marshal(plan.Row{})
	require.NoError(t, err)
	require.NoError(t, other.write(t.Context(), "row.ops.a", data, true))
	require.NoError(t, other.put(t.Context(), "row.ops.a", plan.Row{Delivered: plan.LastDelivered{Incident: "x"}}))
}

func TestABrokerThatGoesAwayAndComesBackLosesNothing(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	s := &stage{t: t, bus: server.Bus(t), truth: map[string]events.Record{}}
	ops := s.sink()
	s.notify(one(ops.config("ops")))
	var want []string
	for i := range 3 {
		name := fmt.Sprintf("w%d", i)
		want = append(want, "opened "+name)
		s.die(name)
		ops.waitForAll(want...)
		server.Restart()
	}
	s.die("last")
	ops.waitForAll(append(want, "opened last")...)
}

func TestStoppingWithABacklogRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	var want []string
	stop := s.notify(c)
	for i := range 200 {
		name := fmt.Sprintf("w%03d", i)
		want = append(want, "opened "+name)
		s.die(name)
		if i%50 == 25 {
			stop()
			stop = s.notify(c)
		}
	}
	ops.waitForAll(want...)
	require.Len(t, ops.attempts(), 200)
}
