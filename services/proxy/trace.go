package proxy

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy/tracker"
)

// factSpan is the request behind a fact, up to the headers of its answer, or the
// moment of the fact where there is no request.
func factSpan(f tracker.Fact) trace.Span {
	o := f.Observation
	s := trace.Span{
		Name: "observe " + f.Type, Kind: trace.Internal, Start: f.At, End: f.At, Error: o.Problem,
		Attributes: map[string]any{"authwatch.workload": o.Workload},
	}
	if o.Credential != nil {
		s.Attributes["authwatch.fingerprint"] = o.Credential.Fingerprint
	}
	if f.Behind.At.IsZero() {
		return s
	}
	s.Parent, s.Kind, s.Start, s.End = f.Behind.TraceParent, trace.Client, f.Behind.Sent, f.Behind.At
	method := f.Behind.Class.Method
	s.Name = method
	if !wellKnown[method] { // clients invent methods; a span has one of a few names
		s.Name, method = "HTTP", "_OTHER"
	}
	status := f.Behind.Response.Status
	if status >= http.StatusBadRequest {
		s.Error = strconv.Itoa(status)
	}
	s.Attributes["http.request.method"], s.Attributes["http.response.status_code"] = method, status
	s.Attributes["url.path"], s.Attributes["mcp.method.name"] = f.Behind.Class.Path, f.Behind.Class.MCPMethod
	if u, err := url.Parse(o.Upstream); err == nil {
		s.Attributes["url.scheme"], s.Attributes["server.address"] = u.Scheme, u.Hostname()
		if port, err := strconv.Atoi(u.Port()); err == nil {
			s.Attributes["server.port"] = port
		}
	}
	return s
}

var wellKnown = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

// publishSpan is the way of an event to the bus. All of it stands in the event,
// so that it is known after a crash too.
func publishSpan(e event.Event, now time.Time) trace.Span {
	return trace.Span{
		Parent: events.TraceParent(e), Name: "publish " + e.Type() + ".{workload}", Kind: trace.Producer,
		Start: e.Time(), End: now,
		Attributes: map[string]any{
			"messaging.system":           "nats",
			"messaging.operation.name":   "publish",
			"messaging.operation.type":   "send",
			"messaging.destination.name": events.Subject(e.Type(), e.Subject()),
			"messaging.message.id":       e.ID(),
			"authwatch.workload":         e.Subject(),
		},
	}
}
