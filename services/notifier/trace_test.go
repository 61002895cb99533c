package notifier

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

func traceNo(n int) string {
	return fmt.Sprintf("00-0af7651916cd43dd8448eb211c8031%02x-b7ad6b7169203331-01", n)
}

// cause tells the bus what led to the workload's status.
func (s *stage) cause(name, trace string) {
	s.t.Helper()
	s.mu.Lock()
	rec := s.truth[name]
	rec.Cause = &events.Cause{Type: events.TypeUnauthorized, ID: "1", Time: s.now(), TraceParent: trace}
	s.truth[name] = rec
	s.mu.Unlock()
}

// dieBy is die by requests of the traces first and following.
func (s *stage) dieBy(first int, names ...string) {
	s.t.Helper()
	for i, name := range names {
		s.cause(name, traceNo(first+i))
		s.die(name)
	}
}

// receiptTraces are the traces of the receipts of a workload.
func (s *stage) receiptTraces(workload string) []string {
	s.t.Helper()
	var all []string
	err := s.bus.Each(s.t.Context(), bus.StreamAlert, events.Subject(events.TypeAlertDelivered, workload), 0, false, func(m bus.Message) error {
		all = append(all, events.TraceParent(m.Event))
		return nil
	})
	require.NoError(s.t, err)
	return all
}

func TestWhatIsToldBelongsToTheTraceThatLedToItHoweverLate(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("500")
	c := one(ops.config("ops"))
	c.Routes[0].RepeatInterval = ref(time.Hour)
	stop := s.notify(c)
	s.dieBy(1, "github")
	require.Eventually(t, func() bool { return len(ops.attempts()) == 1 }, 20*time.Second, 5*time.Millisecond)
	stop()

	e, err := events.New(events.TypeStatusUpdated, "urn:authwatch:status:test", "github", s.now(), s.truth["github"])
	require.NoError(t, err)
	events.SetTraceParent(&e, traceNo(9)) // a count grew
	require.NoError(t, s.bus.Publish(t.Context(), e))
	s.notify(c)
	s.passing(10*time.Minute, func() bool { return len(ops.accepted()) == 2 })
	require.Equal(t, []string{"opened github", "reminder github"}, ops.told())
	s.cause("github", traceNo(2))
	s.recover("github")
	ops.waitFor("opened github", "reminder github", "resolved github")
	for i, a := range ops.attempts() {
		want := traceNo(1)
		if i == 3 {
			want = traceNo(2)
		}
		require.Equal(t, want, a.trace, a.alert.Kind)
		require.Equal(t, want, a.hop, a.alert.Kind)
	}
	s.receiptsOf(3, events.TypeAlertDelivered, "github")
	require.Equal(t, []string{traceNo(1), traceNo(1), traceNo(2)}, s.receiptTraces("github"))
}

func TestAMessageAboutSeveralHasTheTraceOfTheFirstAndEachReceiptItsOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].GroupBy = []string{"credential"}
	s.notify(c)
	s.dieBy(1, "a", "b", "c")
	ops.waitFor("opened a,b,c")
	require.Equal(t, traceNo(1), ops.attempts()[0].trace)
	for i, name := range []string{"a", "b", "c"} {
		s.receiptsOf(1, events.TypeAlertDelivered, name)
		require.Equal(t, []string{traceNo(1 + i)}, s.receiptTraces(name))
		require.Equal(t, traceNo(1+i), ops.attempts()[0].alert.Workloads[i].Cause.TraceParent)
	}
}
