// Package trace tells an OpenTelemetry collector what became of an observation:
// spans of the request that made it, of its way over the bus, and of each attempt
// to tell somebody. Its users hand over finished spans; nothing waits for the
// collector, and nothing but spans is lost without it.
package trace

import (
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/authwatch/authwatch/services/internal/config"
)

// maxHeld bounds the spans that wait for the collector. Only edges and their
// deliveries make spans, so it is hours of them.
const maxHeld = 2048

// Kind is what a span is to those on both sides of it, as OTLP counts.
type Kind int32

const (
	Internal Kind = 1
	Client   Kind = 3
	Producer Kind = 4
	Consumer Kind = 5
)

// Span is a finished piece of work.
type Span struct {
	Parent string // a traceparent; without a sampled one nothing is recorded
	Own    string // from [Tracer.Child], where somebody had to know it before
	Name   string
	Kind   Kind
	Start  time.Time
	End    time.Time
	// Error is the error.type of work that failed: a word or an HTTP status,
	// never a text that somebody else wrote.
	Error      string
	Attributes map[string]any // texts and ints; empty texts are left out
}

// Options are what a tracer is made of besides the configuration.
type Options struct {
	Service string // service.name of what it exports
	Version string
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
}

// Tracer takes spans. A nil one is off: it records nothing.
type Tracer struct {
	cfg      Config
	url      string
	client   *http.Client
	log      *slog.Logger
	resource *resourcepb.Resource
	queue    chan *tracepb.Span
	exported prometheus.Counter
	dropped  prometheus.Counter
}

// New makes a tracer of a valid configuration, nil where it has no endpoint.
func New(c Config, o Options) (*Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	client, err := c.client()
	if err != nil {
		return nil, config.Problem{Path: "ca_file", Text: err.Error()}
	}
	t := &Tracer{
		cfg: c, url: c.url(), client: client, log: o.Log,
		queue: make(chan *tracepb.Span, maxHeld),
	}
	host, _ := os.Hostname()
	t.resource = &resourcepb.Resource{Attributes: attributes(map[string]any{
		"service.name": o.Service, "service.version": o.Version, "host.name": host,
	})}
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authwatch_trace_spans_total",
		Help: "Spans that the collector took (exported), or that it will not get (dropped).",
	}, []string{"outcome"})
	t.exported, t.dropped = spans.WithLabelValues("exported"), spans.WithLabelValues("dropped")
	if o.Metrics != nil {
		o.Metrics.MustRegister(spans)
	}
	return t, nil
}

// Child returns the traceparent of a new span below parent, of a new trace where
// parent is none. Where nothing is recorded, because t is off or parent is not
// sampled, it is parent itself.
func (t *Tracer) Child(parent string) string {
	if t == nil {
		return parent
	}
	c, ok := parse(parent)
	switch {
	case !ok:
		c = newRoot()
	case !c.sampled:
		return parent
	}
	return c.child().String()
}

// Record takes a span for export. It does not wait: a span too many is dropped
// and counted.
func (t *Tracer) Record(s Span) {
	if t == nil {
		return
	}
	parent, hasParent := parse(s.Parent)
	own, ok := parse(s.Own)
	if !ok {
		own = parent.child()
	}
	if !own.sampled {
		return
	}
	span := &tracepb.Span{
		TraceId: own.trace[:], SpanId: own.span[:], Flags: sampledFlag,
		Name: s.Name, Kind: tracepb.Span_SpanKind(s.Kind),
		StartTimeUnixNano: nanos(s.Start), EndTimeUnixNano: nanos(s.End),
		Attributes: attributes(s.Attributes),
	}
	if hasParent {
		span.ParentSpanId = parent.span[:]
	}
	if s.Error != "" {
		span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		span.Attributes = append(span.Attributes, attributes(map[string]any{"error.type": s.Error})...)
	}
	select {
	case t.queue <- span:
	default:
		t.dropped.Inc()
	}
}

func nanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func attributes(values map[string]any) []*commonpb.KeyValue {
	var all []*commonpb.KeyValue
	for _, key := range slices.Sorted(maps.Keys(values)) {
		a := &commonpb.AnyValue{}
		switch v := values[key].(type) {
		case int:
			a.Value = &commonpb.AnyValue_IntValue{IntValue: int64(v)}
		case string:
			if v == "" {
				continue
			}
			a.Value = &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(v, "?")} // else the batch could not be encoded
		}
		all = append(all, &commonpb.KeyValue{Key: key, Value: a})
	}
	return all
}
