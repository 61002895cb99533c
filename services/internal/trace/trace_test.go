package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/authwatch/authwatch/services/internal/config"
)

const (
	parent     = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	eventually = 20 * time.Second
	tick       = 5 * time.Millisecond
)

// collector is what spans are sent to. It answers with its status, or hangs
// while that is 0.
type collector struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	status   int
	rejects  int64
	requests []*http.Request
	spans    []*tracepb.Span
	resource string
}

func newCollector(t *testing.T, status int) *collector {
	t.Helper()
	c := &collector{t: t, status: status}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	c.requests = append(c.requests, r)
	status, rejects := c.status, c.rejects
	c.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return
	}
	var req collectorpb.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &req) != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		status = http.StatusBadRequest
	}
	if status == http.StatusOK {
		c.mu.Lock()
		for _, rs := range req.GetResourceSpans() {
			c.resource = rs.GetResource().String()
			for _, ss := range rs.GetScopeSpans() {
				c.spans = append(c.spans, ss.GetSpans()...)
			}
		}
		c.mu.Unlock()
	}
	answer, _ := proto.Marshal(&collectorpb.ExportTraceServiceResponse{
		PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: rejects},
	})
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (c *collector) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *collector) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

// names waits for n spans and returns the names of all.
func (c *collector) names(n int) []string {
	c.t.Helper()
	var names []string
	require.Eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		names = nil
		for _, s := range c.spans {
			names = append(names, s.GetName())
		}
		return len(names) >= n
	}, eventually, tick)
	return names
}

// run starts a tracer that exports to c; its log is in the buffer once it ended.
func run(t *testing.T, cfg Config) (tracer *Tracer, log *bytes.Buffer, stop func()) {
	t.Helper()
	require.Empty(t, cfg.Validate())
	log = &bytes.Buffer{}
	tracer, err := New(cfg, Options{Service: "authwatch-test", Version: "v1", Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- tracer.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(stop)
	return tracer, log, stop
}

func span(name string) Span {
	return Span{Parent: parent, Name: name, Kind: Client, Start: time.Now().Add(-time.Second), End: time.Now()}
}

func TestASpanIsBelowItsParentInTheSameTrace(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusOK)
	tracer, _, stop := run(t, Config{Endpoint: c.URL + "/"})
	first := span("first")
	first.Own = tracer.Child(parent)
	first.Attributes = map[string]any{"a": "b\xff", "n": 7, "empty": ""}
	tracer.Record(first)
	second := span("second")
	second.Parent, second.Error = first.Own, "401"
	tracer.Record(second)
	root := span("root")
	root.Parent, root.Own = "", tracer.Child("")
	tracer.Record(root)
	stop()

	require.Equal(t, []string{"first", "second", "root"}, c.names(3))
	require.Equal(t, "/v1/traces", c.requests[0].URL.Path)
	require.Contains(t, c.resource, "authwatch-test")
	one, two, three := c.spans[0], c.spans[1], c.spans[2]
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", hex.EncodeToString(one.GetTraceId()))
	require.Equal(t, "b7ad6b7169203331", hex.EncodeToString(one.GetParentSpanId()))
	require.Equal(t, first.Own, "00-0af7651916cd43dd8448eb211c80319c-"+hex.EncodeToString(one.GetSpanId())+"-01")
	require.Equal(t, one.GetSpanId(), two.GetParentSpanId())
	require.Equal(t, one.GetTraceId(), two.GetTraceId())
	require.NotEqual(t, one.GetSpanId(), two.GetSpanId())
	require.Empty(t, three.GetParentSpanId())
	require.NotEqual(t, one.GetTraceId(), three.GetTraceId())
	require.Len(t, one.GetAttributes(), 2)
	require.Equal(t, "b?", one.GetAttributes()[0].GetValue().GetStringValue())
	require.EqualValues(t, 7, one.GetAttributes()[1].GetValue().GetIntValue())
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, two.GetStatus().GetCode())
	require.Equal(t, tracepb.Span_SPAN_KIND_CLIENT, one.GetKind())
	require.EqualValues(t, first.Start.UnixNano(), one.GetStartTimeUnixNano())
	require.EqualValues(t, first.End.UnixNano(), one.GetEndTimeUnixNano())
}

func TestWhatIsNotSampledIsNotRecordedAndStaysAsItIs(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusOK)
	tracer, _, stop := run(t, Config{Endpoint: c.URL})
	require.Equal(t, unsampled, tracer.Child(unsampled))
	s := span("unsampled")
	s.Parent, s.Own = unsampled, unsampled
	tracer.Record(s)
	s.Own = ""
	tracer.Record(s)
	s.Parent = ""
	tracer.Record(s)
	tracer.Record(span("sampled"))
	stop()
	require.Equal(t, []string{"sampled"}, c.names(1))
}

func TestAMalformedParentIsNone(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusOK)
	tracer, _, _ := run(t, Config{Endpoint: c.URL})
	for _, bad := range []string{
		"", "garbage", parent + "-00", parent[:54], strings.ToUpper(parent), "ff" + parent[2:],
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
	} {
		child := tracer.Child(bad)
		require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", child)
		require.NotContains(t, child, "0af7651916cd43dd8448eb211c80319c", bad)
	}
	require.Contains(t, tracer.Child("cc"+parent[2:]), "00-0af7651916cd43dd8448eb211c80319c-", "a later version that is written like this one")
}

func TestATracerWithoutAnEndpointDoesNothing(t *testing.T) {
	t.Parallel()
	tracer, err := New(Config{}, Options{})
	require.NoError(t, err)
	require.Nil(t, tracer)
	require.Equal(t, "anything", tracer.Child("anything"))
	tracer.Record(span("a"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tracer.Run(ctx) }()
	cancel()
	require.NoError(t, <-done)
}

func TestACollectorThatIsAwayHoldsUpNobodyAndGetsWhatWasHeld(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusServiceUnavailable)
	tracer, log, stop := run(t, Config{Endpoint: c.URL})
	tracer.Record(span("first"))
	require.Eventually(t, func() bool { return c.asked() > 1 }, eventually, tick)
	for range maxHeld + 100 {
		tracer.Record(span("later"))
	}
	require.InDelta(t, 100, testutil.ToFloat64(tracer.dropped), 0)
	c.answer(http.StatusOK)
	require.Len(t, c.names(maxHeld+1), maxHeld+1)
	stop()
	require.InDelta(t, maxHeld+1, testutil.ToFloat64(tracer.exported), 0)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "spans are exported again"), log.String())
}

func TestACollectorThatHangsDelaysTheEndOfTheProcessByAMomentOnly(t *testing.T) {
	t.Parallel()
	c := newCollector(t, 0)
	tracer, log, stop := run(t, Config{Endpoint: c.URL})
	tracer.Record(span("a"))
	require.Eventually(t, func() bool { return c.asked() == 1 }, eventually, tick)
	tracer.Record(span("b"))
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), 7*time.Second, "3 of them for the collector")
	require.InDelta(t, 2, testutil.ToFloat64(tracer.dropped), 0)
	require.Contains(t, log.String(), "spans are lost")
}

func TestWhatACollectorRefusesIsDroppedAndSaidOnce(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusUnauthorized)
	tracer, log, stop := run(t, Config{Endpoint: c.URL})
	for i := range 2 {
		tracer.Record(span("a"))
		require.Eventually(t, func() bool { return testutil.ToFloat64(tracer.dropped) > float64(i) }, eventually, tick)
	}
	stop()
	require.Equal(t, 2, c.asked(), "refused for good: no second attempt")
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())

	c.answer(http.StatusOK)
	c.rejects = 1
	tracer, _, stop = run(t, Config{Endpoint: c.URL})
	tracer.Record(span("a"))
	tracer.Record(span("b"))
	stop()
	require.InDelta(t, 1, testutil.ToFloat64(tracer.exported), 0)
	require.InDelta(t, 1, testutil.ToFloat64(tracer.dropped), 0)
}

func TestARotatedHeadersFileNeedsNoRestartAndRedirectsGetNone(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusOK)
	file := filepath.Join(t.TempDir(), "headers")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("Authorization: Bearer one\n\nX-Tenant: a:b\n")
	tracer, _, stop := run(t, Config{Endpoint: c.URL, HeadersFile: file})
	tracer.Record(span("a"))
	c.names(1)
	write("Authorization: Bearer two\n")
	tracer.Record(span("b"))
	// Not only sent: what was not answered when the process stops is sent again.
	require.Eventually(t, func() bool { return testutil.ToFloat64(tracer.exported) == 2 }, eventually, tick)
	stop()
	require.Equal(t, "Bearer one", c.requests[0].Header.Get("Authorization"))
	require.Equal(t, "a:b", c.requests[0].Header.Get("X-Tenant"))
	require.Equal(t, "Bearer two", c.requests[1].Header.Get("Authorization"))

	elsewhere := httptest.NewServer(http.RedirectHandler(c.URL, http.StatusTemporaryRedirect))
	t.Cleanup(elsewhere.Close)
	tracer, _, stop = run(t, Config{Endpoint: elsewhere.URL, Headers: map[string]config.Secret{"authorization": "Bearer x"}})
	tracer.Record(span("c"))
	stop()
	require.Equal(t, 2, c.asked())
	require.InDelta(t, 1, testutil.ToFloat64(tracer.dropped), 0)
}

func TestAWrongConfigurationSaysWhatToWriteAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for text, want := range map[string]string{
		`{endpont: "http://a:4318"}`:                                               `a.yaml:1: tracing: unknown key "endpont"; did you mean "endpoint"?`,
		`{endpoint: "otel-collector:4318"}`:                                        `tracing.endpoint: no URL that starts with http:// or https://`,
		`{endpoint: "http://u:canary@a:4318"}`:                                     "tracing.endpoint: holds a user, a query or a fragment",
		`{endpoint: "http://a:4318?key=canary"}`:                                   "tracing.endpoint: holds a user, a query or a fragment",
		`{headers: {a: canary}}`:                                                   "tracing.endpoint: is required",
		`{endpoint: "http://a", headers: {a: canary}, headers_file: x}`:            "tracing.headers: are given here and in headers_file",
		`{endpoint: "http://a", headers: {"canary b": x}}`:                         "tracing.headers: a header is not of the form",
		`{endpoint: "http://a", headers: {a: "canary\u0001"}}`:                     "tracing.headers: the value of a header holds a control character",
		`{endpoint: "http://a", headers_file: ` + file("h", "Bearer canary") + `}`: "tracing.headers_file: " + filepath.Join(dir, "h") + ": a header is not of the form",
		`{endpoint: "http://a", headers_file: ` + file("e", "") + `}`:              "is empty",
		`{endpoint: "http://a", ca_file: ` + file("ca", "canary") + `}`:            "tracing.ca_file: " + filepath.Join(dir, "ca") + " holds no PEM certificate",
	} {
		var f struct {
			Tracing Config `yaml:"tracing"`
		}
		doc, err := config.Parse("a.yaml", []byte("tracing: "+text), &f)
		if err == nil {
			err = doc.CheckAll(map[string][]config.Problem{"tracing": f.Tracing.Validate()})
		}
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "canary", text)
	}
	long := Config{Endpoint: "https://a/otlp/v1/traces/"}
	require.Empty(t, long.Validate())
	require.Equal(t, "https://a/otlp/v1/traces", long.url())
}
