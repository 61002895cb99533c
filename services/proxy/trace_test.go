package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/authwatch/authwatch/services/internal/trace"
)

// tracer returns one that exports to the test, and what it exported in the end.
func tracer(t *testing.T) (tracer *trace.Tracer, flush func() map[string]*tracepb.Span) {
	t.Helper()
	spans := map[string]*tracepb.Span{} // by name
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var req collectorpb.ExportTraceServiceRequest
		if body, err := io.ReadAll(r.Body); err == nil && proto.Unmarshal(body, &req) == nil {
			for _, s := range req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
				spans[s.GetName()] = s
			}
		}
	}))
	t.Cleanup(server.Close)
	tracer, err := trace.New(trace.Config{Endpoint: server.URL}, trace.Options{Service: "test", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tracer.Run(ctx) }()
	return tracer, func() map[string]*tracepb.Span {
		cancel()
		require.NoError(t, <-done)
		return spans
	}
}

func TestTheWayToTheBusIsASpanEvenIfItTookARestart(t *testing.T) {
	t.Parallel()
	up := newRemote(t) // accepts nothing
	tracer, flush := tracer(t)
	w := newWorld(t, up.URL, listening, func(w *world) { w.trace = tracer })
	w.expect("loaded")
	w.nats.Stop()
	require.Equal(t, 503, w.call("a").status)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(w.dir, "data", "proxy", "outbox.jsonl"))
		return err == nil && strings.Contains(string(text), "auth.unauthorized")
	}, 10*time.Second, 5*time.Millisecond)
	w.stop()

	w.start()
	began := uint64(time.Now().UnixNano())
	w.nats.Restart()
	said := w.expect("loaded", "unauthorized", "loaded")
	w.stop()
	spans := flush()
	request, publish := spans["POST"], spans["publish auth.unauthorized.{workload}"]
	require.NotNil(t, request)
	require.NotNil(t, publish)
	require.Equal(t, request.GetSpanId(), publish.GetParentSpanId())
	require.Equal(t, request.GetTraceId(), publish.GetTraceId())
	require.Less(t, publish.GetStartTimeUnixNano(), began)
	require.Greater(t, publish.GetEndTimeUnixNano(), began)
	require.NotEmpty(t, said[1].trace)
	require.NotEmpty(t, said[2].trace, "an edge that no request made begins a trace")
	require.NotNil(t, spans["observe auth.loaded"])
}
