package notifier

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
)

func traceNo(n int) string {
	return fmt.Sprintf("00-0af7651916cd43dd8448eb211c8031%02x-b7ad6b7169203331-01", n)
}

// cause tells the bus what led to the workload's status.
func (s *stage) cause(name, parent string) {
	s.t.Helper()
	s.mu.Lock()
	rec := s.truth[name]
	rec.Cause = &events.Cause{Type: events.TypeUnauthorized, ID: "1", Time: s.now(), TraceParent: parent}
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
	c.Routes[0].GroupBy, c.Routes[0].GroupWait = []string{"credential"}, ref(3*time.Second)
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

// collector keeps the spans that it gets.
type collector struct {
	mu  sync.Mutex
	all []*tracepb.Span
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req collectorpb.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err != nil || proto.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()...)
}

func TestAnAttemptIsASpanInTheTraceOfEachWorkload(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := &collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	tracer, err := trace.New(trace.Config{Endpoint: server.URL}, trace.Options{Service: "test", Log: testLog(t)})
	require.NoError(t, err)
	ctx, flush := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tracer.Run(ctx) }()

	ops := s.sink("500")
	cfg := one(ops.config("ops"))
	cfg.Routes[0].GroupBy, cfg.Routes[0].GroupWait = []string{"credential"}, ref(3*time.Second)
	_, stop := s.start(cfg, func(o *Options) { o.Trace = tracer })
	s.dieBy(1, "a", "b")
	s.cause("same", traceNo(2))
	s.die("same", "none")
	ops.waitFor("opened a,b,none,same")
	stop()
	flush()
	require.NoError(t, <-done)

	attempts := ops.attempts()
	require.Len(t, attempts, 2)
	require.Equal(t, traceNo(1), attempts[0].trace)
	var got []string
	own := map[string]string{}
	for _, span := range c.all {
		id := hex.EncodeToString(span.GetTraceId())
		require.Equal(t, "b7ad6b7169203331", hex.EncodeToString(span.GetParentSpanId()))
		require.Equal(t, "deliver webhook", span.GetName())
		got = append(got, fmt.Sprint(id[30:], " ", span.GetStatus().GetCode()))
		own["00-"+id+"-"+hex.EncodeToString(span.GetSpanId())+"-01"] = id
	}
	require.Equal(t, []string{"01 STATUS_CODE_ERROR", "02 STATUS_CODE_ERROR", "01 STATUS_CODE_UNSET", "02 STATUS_CODE_UNSET"}, got)
	for _, a := range attempts {
		require.Contains(t, own, a.hop, "the receiver's work is below the attempt")
	}
	require.NotEqual(t, attempts[0].hop, attempts[1].hop)
}
