package events

import "github.com/cloudevents/sdk-go/v2/event"

const traceParent = "traceparent"

// SetTraceParent carries the trace of the request that led to the event, as the
// distributed tracing extension. A value that is not of the form that W3C Trace
// Context section 3.2 defines is left out.
func SetTraceParent(e *event.Event, value string) {
	if validTraceParent(value) {
		e.SetExtension(traceParent, value)
	}
}

// TraceParent returns the valid traceparent extension, or "".
func TraceParent(e event.Event) string {
	if value, ok := e.Extensions()[traceParent].(string); ok && validTraceParent(value) {
		return value
	}
	return ""
}

func validTraceParent(s string) bool {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	if len(s) != len(form) || s[:2] == "ff" {
		return false
	}
	trace, span := false, false
	for i := range len(form) {
		c := s[i]
		if form[i] == '-' {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		trace = trace || i >= 3 && i < 35 && c != '0'
		span = span || i >= 36 && i < 52 && c != '0'
	}
	return trace && span
}
