package notifier

import (
	"net/http"
	"strconv"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// traceOf is the trace of what led to r's status.
func traceOf(r events.Record) string {
	if r.Cause == nil {
		return ""
	}
	return r.Cause.TraceParent
}

// hop is the traceparent of an attempt to send m.
func (s *Service) hop(m receiver.Message) string {
	if m.Trace == "" {
		return ""
	}
	return s.trace.Child(m.Trace)
}

// traced records an attempt in the trace of every workload that it is about.
func (w *worker) traced(m receiver.Message, d *plan.Delivery, a plan.Answer, began, ended time.Time) {
	kind := w.config.Kind()
	s := trace.Span{
		Name: "deliver " + kind, Kind: trace.Client, Start: began, End: ended,
		Attributes: map[string]any{
			"authwatch.receiver":           w.config.Name,
			"authwatch.receiver.kind":      kind,
			"authwatch.alert.kind":         d.Kind,
			"authwatch.delivery.id":        d.ID,
			"authwatch.delivery.attempt":   d.Attempts,
			"authwatch.delivery.outcome":   outcomeNames[a.Outcome],
			"authwatch.delivery.workloads": len(m.Workloads),
		},
	}
	if a.Outcome != plan.Delivered {
		s.Error = outcomeNames[a.Outcome]
	}
	if a.Status != 0 && kind != "email" { // whose numbers are SMTP's
		s.Attributes["http.response.status_code"] = a.Status
		if s.Error != "" && a.Status >= http.StatusBadRequest {
			s.Error = strconv.Itoa(a.Status)
		}
	}
	told := map[string]bool{"": true}
	for _, r := range m.Workloads {
		if s.Parent = traceOf(r); told[s.Parent] {
			continue
		}
		told[s.Parent] = true
		s.Own = ""
		if s.Parent == m.Trace {
			s.Own = m.Hop
		}
		s.Attributes["authwatch.workload"] = r.Workload
		w.trace.Record(s)
	}
}
