package e2e_test

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

const (
	clientTrace    = "0af7651916cd43dd8448eb211c80319c"
	clientSpan     = "b7ad6b7169203331"
	collectorToken = "canary-5b0d9f3a61-collector"
	receiverPath   = "/canary-77c1e2b04d-receiver"
)

// collector is an OpenTelemetry collector as far as authwatch meets one.
type collector struct {
	*httptest.Server

	mu    sync.Mutex
	hangs bool
	asked int
	bytes strings.Builder // all that was sent, headers left out
	spans []span
}

// span is one that arrived.
type span struct {
	*tracepb.Span
	service string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if unzipped, err := gzip.NewReader(r.Body); err == nil {
			body = unzipped
		}
	}
	text, err := io.ReadAll(body)
	c.mu.Lock()
	c.asked++
	hangs := c.hangs
	c.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return
	}
	var req collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer "+collectorToken ||
		proto.Unmarshal(text, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Write(text)
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.spans = append(c.spans, span{s, attribute(rs.GetResource().GetAttributes(), "service.name")})
			}
		}
	}
}

// hang makes it answer nothing after so many requests.
func (c *collector) hang() (after int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangs = true
	return c.asked
}

func (c *collector) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// of returns the spans of a trace so far, by name.
func (c *collector) of(trace string) map[string][]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string][]span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			found[s.GetName()] = append(found[s.GetName()], s)
		}
	}
	return found
}

func attribute(all []*commonpb.KeyValue, key string) string {
	for _, a := range all {
		if a.GetKey() == key {
			if v, ok := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); ok {
				return fmt.Sprint(v.IntValue)
			}
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

func (s span) attr(key string) string { return attribute(s.GetAttributes(), key) }

// traced configures w with a collector and a receiver whose URL is a secret.
func (w *world) traced(t *testing.T, nats, tracing string) string {
	t.Helper()
	file := w.configure(t, nats)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	secret := strings.Replace(string(text), w.webhook.url, w.webhook.url+receiverPath+"?key="+collectorToken, 1)
	write(t, file, secret+tracing)
	return file
}

func exportTo(c *collector) string {
	return `tracing: {endpoint: "` + c.URL + `", headers: {authorization: "Bearer ` + collectorToken + `"}}` + "\n"
}

func TestADeathIsOneTraceOfOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCollector(t)
	s := &oneProcess{world: w, file: w.traced(t, `nats: {listen: "`+w.nats+`"}`, exportTo(c))}
	traceOneDeath(t, w, s, c)
}

func TestADeathIsOneTraceOfThreeServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCollector(t)
	s := &threeProcesses{world: w, file: w.traced(t, w.broker(t), exportTo(c))}
	provision(t, s.file)
	traceOneDeath(t, w, s, c)
}

// traceOneDeath follows a client's trace to the webhook and to the collector.
func traceOneDeath(t *testing.T, w *world, s system, c *collector) {
	t.Helper()
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	w.upstream.Accept("")
	const trace = "00-" + clientTrace + "-" + clientSpan + "-01"
	var passed atomic.Value
	w.upstream.OnReject(func(r *http.Request, _ time.Time) { passed.Store(r.Header.Get("Traceparent")) })
	postCall(t.Context(), w.endpoint()+"?key="+collectorToken, "Traceparent", trace)
	require.Equal(t, trace, passed.Load(), "the upstream gets the client's own")
	w.awaitStatus(t, events.StatusUnauthenticated)
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })
	eventually(t, "the spans", func() bool { return len(c.of(clientTrace)) >= 4 })

	spans := c.of(clientTrace)
	one := func(name string) span {
		t.Helper()
		require.Len(t, spans[name], 1, "%s in %v", name, spans)
		return spans[name][0]
	}
	request, publish := one("POST"), one("publish auth.unauthorized.{workload}")
	process, deliver := one("process auth.unauthorized.{workload}"), one("deliver webhook")
	require.Len(t, spans, 4)
	require.Equal(t, clientSpan, hex.EncodeToString(request.GetParentSpanId()))
	for _, child := range []span{publish, process, deliver} {
		require.Equal(t, request.GetSpanId(), child.GetParentSpanId(), child.GetName())
	}
	before := request
	for _, s := range []span{request, publish, process, deliver} {
		require.LessOrEqual(t, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano(), s.GetName())
		require.LessOrEqual(t, before.GetStartTimeUnixNano(), s.GetStartTimeUnixNano(), s.GetName())
		require.Equal(t, "github", s.attr("authwatch.workload"), s.GetName())
		before = s
	}
	if _, several := s.(*threeProcesses); several {
		require.Equal(t, []string{"authwatch-proxy", "authwatch-proxy", "authwatch-status", "authwatch-notifier"},
			[]string{request.service, publish.service, process.service, deliver.service})
	} else {
		require.Equal(t, "authwatch", request.service)
	}
	host, port := splitAddress(t, strings.TrimPrefix(strings.TrimSuffix(w.remote, "/mcp"), "http://"))
	for key, want := range map[string]string{
		"http.request.method": "POST", "http.response.status_code": "401", "error.type": "401", "mcp.method.name": "tools/call",
		"url.path": "/mcp", "server.address": host, "server.port": port, "authwatch.fingerprint": w.record(t).Credential.Fingerprint,
	} {
		require.Equal(t, want, request.attr(key), key)
	}
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, request.GetStatus().GetCode())
	require.Equal(t, "nats", publish.attr("messaging.system"))
	require.Equal(t, "auth.unauthorized.github", publish.attr("messaging.destination.name"))
	require.Equal(t, publish.attr("messaging.message.id"), process.attr("messaging.message.id"))
	require.Equal(t, "unauthenticated", process.attr("authwatch.status"))
	for key, want := range map[string]string{
		"authwatch.receiver": "ops", "authwatch.receiver.kind": "webhook", "authwatch.alert.kind": "opened",
		"authwatch.delivery.attempt": "1", "authwatch.delivery.outcome": "delivered", "http.response.status_code": "200",
	} {
		require.Equal(t, want, deliver.attr(key), key)
	}

	carried := "00-" + clientTrace + "-" + hex.EncodeToString(request.GetSpanId()) + "-01"
	for _, stream := range [][2]string{
		{"AUTH", events.TypeUnauthorized}, {"ALERT", events.TypeAlertDelivered},
	} {
		eventually(t, stream[1], func() bool { return w.count(t, stream[0], stream[1]) == 1 })
		m := w.stream(t, stream[0], stream[1]+".github")[0]
		e, err := events.Unmarshal(m.Header, m.Data)
		require.NoError(t, err)
		require.Equal(t, carried, events.TraceParent(e), stream[1])
	}
	w.webhook.mu.Lock()
	var envelope struct{ TraceParent string }
	require.NoError(t, json.Unmarshal(w.webhook.bodies[0], &envelope))
	require.Equal(t, carried, envelope.TraceParent)
	require.Equal(t, "00-"+clientTrace+"-"+hex.EncodeToString(deliver.GetSpanId())+"-01", w.webhook.header[0].Get("Traceparent"))
	w.webhook.mu.Unlock()

	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	eventually(t, "the resolution", func() bool { return len(w.webhook.kinds()) == 2 })
	healed := w.awaitStatus(t, events.StatusRunning).Cause.TraceParent
	require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", healed, "a request without a trace begins one")
	require.NotContains(t, healed, clientTrace)
	eventually(t, "the spans of the recovery", func() bool { return len(c.of(healed[3:35])) == 4 })
	recovery := c.of(healed[3:35])
	require.Empty(t, recovery["POST"][0].GetParentSpanId())
	require.Equal(t, tracepb.Status_STATUS_CODE_UNSET, recovery["POST"][0].GetStatus().GetCode())

	texts := w.texts(t)
	texts["output"] = s.output()
	c.mu.Lock()
	texts["spans"] = c.bytes.String()
	c.mu.Unlock()
	w.leaks(t, texts)
	for name, text := range texts {
		require.NotContains(t, text, collectorToken, name)
		require.NotContains(t, text, receiverPath, name)
	}
}

func TestACollectorThatHangsDelaysNoAlertAndAClientThatIsNotSampledIsNotExported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newCollector(t)
	s := &oneProcess{world: w, file: w.traced(t, `nats: {listen: "`+w.nats+`"}`, exportTo(c))}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	w.upstream.Accept("")
	quiet := "00-" + clientTrace + "-" + clientSpan + "-00"
	postCall(t.Context(), w.endpoint(), "Traceparent", quiet)
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })
	require.Equal(t, quiet, w.awaitStatus(t, events.StatusUnauthenticated).Cause.TraceParent)
	w.webhook.mu.Lock()
	require.Equal(t, quiet, w.webhook.header[0].Get("Traceparent"))
	w.webhook.mu.Unlock()

	answered := c.hang()
	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	eventually(t, "the resolution", func() bool { return len(w.webhook.kinds()) == 2 })
	eventually(t, "the collector hangs", func() bool { return c.requests() > answered })
	client.Close()
	began := time.Now()
	s.p.stop(t)
	require.Less(t, time.Since(began), 9*time.Second, "the spans that are held get 3 seconds")
	require.Empty(t, c.of(clientTrace))
}

func TestATraceIsCarriedWithoutACollector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, `nats: {listen: "`+w.nats+`"}`)}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	defer client.Close()
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	w.webhook.refuse(http.StatusServiceUnavailable)
	w.upstream.Accept("")
	const trace = "00-" + clientTrace + "-" + clientSpan + "-01"
	postCall(t.Context(), w.endpoint(), "Traceparent", trace)
	w.awaitStatus(t, events.StatusUnauthenticated)
	s.kill()
	s.start(t)
	w.webhook.refuse(0)
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })
	w.webhook.mu.Lock()
	defer w.webhook.mu.Unlock()
	require.Equal(t, trace, w.webhook.header[0].Get("Traceparent"))
	require.Contains(t, string(w.webhook.bodies[0]), `"traceparent":"`+trace+`"`)
}
