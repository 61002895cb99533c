package status

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// soak runs the long forms of the tests.
var soak = os.Getenv("SOAK") == "1"

// schedules is how many random schedules the property test runs.
func schedules(t *testing.T) {
	t.Helper()
	n := "300"
	if soak {
		n = "100000"
	}
	require.NoError(t, flag.Set("rapid.checks", n))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
}

// Whatever the broker and the processes do, the records are those of the plain
// history: the distinct events, once each, in the order of the stream. And what
// they say in the end is how things are.
func TestRecordsAreTrueUnderAnySchedule(t *testing.T) {
	t.Parallel()
	schedules(t)
	quiet := slog.New(slog.DiscardHandler)
	rapid.Check(t, func(t *rapid.T) {
		tp := newTape(noon)
		skews := [2]time.Duration{drawSkew(t), drawSkew(t)}
		worlds := make([]*world, rapid.IntRange(1, 5).Draw(t, "workloads"))
		cutOff := rapid.Bool().Draw(t, "cut off")
		for i := range worlds {
			worlds[i] = newWorld(fmt.Sprintf("workload-%d", i), skews)
			if cutOff {
				worlds[i].begin(tp)
			}
		}
		c := &consumer{t: t, tape: tp, log: quiet}
		c.restart(0)
		c.restart(1)
		for range rapid.IntRange(5, 80).Draw(t, "steps") {
			tp.now = tp.now.Add(drawPause(t))
			if rapid.IntRange(0, 2).Draw(t, "side") < 2 {
				worlds[rapid.IntRange(0, len(worlds)-1).Draw(t, "workload")].step(t, tp)
			} else {
				c.step()
			}
		}
		for _, w := range worlds {
			if cutOff {
				w.settleCutOff(t, tp)
			} else {
				w.settle(t, tp)
			}
		}
		c.drain()
		for _, w := range worlds {
			record, changes := tp.recorded(w.name)
			want, transitions := plainHistory(tp, w.name)
			require.Equal(t, want, record)
			require.Equal(t, transitions, changes)

			status, fingerprint, reason := w.truth()
			require.Equal(t, status, record.Status)
			require.Equal(t, fingerprint, record.Credential.Fingerprint)
			require.Equal(t, reason, record.Reason)
		}
	})
}

func drawSkew(t *rapid.T) time.Duration {
	return time.Duration(rapid.SampledFrom([]int{0, 0, 1, -1, 90, -90, 7200, -7200}).Draw(t, "skew")) * time.Second
}

func drawPause(t *rapid.T) time.Duration {
	return time.Duration(rapid.SampledFrom([]int{1, 1, 20, 1000, 30_000, 150_000, 620_000, 3_600_000}).Draw(t, "pause")) * time.Millisecond
}

// plainHistory applies the distinct events of a workload in order.
func plainHistory(tp *tape, workload string) (r events.Record, transitions []events.Record) {
	r.Workload = workload
	seen := make(map[string]bool)
	for _, m := range tp.auth {
		if m.Event.Subject() != workload || seen[m.Event.ID()] {
			continue
		}
		seen[m.Event.ID()] = true
		o, err := observe(m)
		if err != nil {
			panic(err)
		}
		after, changed := Apply(r, o)
		if changed && transition(r, after) {
			transitions = append(transitions, wire(after))
		}
		r = after
	}
	return wire(r), transitions
}

// wire is a record as it is read back.
func wire(r events.Record) events.Record {
	e, err := statusEvent(events.Record{}, r, Observation{Stored: noon})
	if err != nil {
		panic(err)
	}
	back, err := events.ParseStatus(e)
	if err != nil {
		panic(err)
	}
	return back
}

// consumer is the shared durable with its two replicas: it delivers what is not
// acknowledged in any order to any of them, again when it pleases.
type consumer struct {
	t        *rapid.T
	tape     *tape
	log      *slog.Logger
	replicas [2]*recorder
	acked    map[uint64]bool
	depth    int
	calm     bool
}

func (c *consumer) restart(i int) {
	v := newView()
	if rapid.Bool().Draw(c.t, "hydrated") {
		v = c.tape.hydrated()
	}
	c.replicas[i] = newRecorder(c.tape, v, nobody{}, c.log, newMetrics(nil), nil)
	if c.acked == nil {
		c.acked = make(map[uint64]bool)
	}
}

// chance is true once in n, and never at the end.
func (c *consumer) chance(n int, what string) bool {
	return !c.calm && rapid.IntRange(0, n-1).Draw(c.t, what) == 0
}

func (c *consumer) step() {
	c.tape.lost = func() bool { return c.chance(6, "answer lost") }
	c.tape.refused = func() bool { return c.chance(8, "write refused") }
	c.tape.behind = func() int {
		if c.chance(6, "read behind") {
			return rapid.IntRange(0, 3).Draw(c.t, "by")
		}
		return 0
	}
	c.tape.meanwhile = func() {
		if c.depth < 2 && c.chance(6, "meanwhile") {
			c.deliver()
		}
	}
	switch rapid.IntRange(0, 7).Draw(c.t, "do") {
	case 0:
		c.restart(rapid.IntRange(0, 1).Draw(c.t, "replica"))
	case 1:
		c.replicas[rapid.IntRange(0, 1).Draw(c.t, "replica")].view = c.tape.hydrated() // its follower caught up
	default:
		c.deliver()
	}
}

func (c *consumer) deliver() {
	if len(c.tape.auth) == 0 {
		return
	}
	c.hand(c.tape.auth[rapid.IntRange(0, len(c.tape.auth)-1).Draw(c.t, "message")])
}

func (c *consumer) hand(m bus.Message) {
	c.depth++
	defer func() { c.depth-- }()
	if c.replicas[rapid.IntRange(0, 1).Draw(c.t, "replica")].handle(c.t.Context(), m) == nil {
		c.acked[m.Sequence] = true
	}
}

// drain delivers what was never acknowledged, in a calm at last.
func (c *consumer) drain() {
	for i := range c.tape.auth {
		if m := c.tape.auth[i]; !c.acked[m.Sequence] {
			c.hand(m)
		}
	}
	c.calm = true
	for i := range c.tape.auth {
		if m := c.tape.auth[i]; !c.acked[m.Sequence] {
			c.hand(m)
		}
		require.True(c.t, c.acked[c.tape.auth[i].Sequence])
	}
}
