package notifier

import (
	"maps"
	"net/http"
	"strconv"

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

// spans are those of an attempt, one in each trace that led to it.
func spans(c receiver.Config, d *plan.Delivery, m receiver.Message, r plan.Result) []trace.Span {
	kind := c.Kind()
	s := trace.Span{
		Name: "deliver " + kind, Kind: trace.Client,
		Attributes: map[string]any{
			"authwatch.receiver":           c.Name,
			"authwatch.receiver.kind":      kind,
			"authwatch.alert.kind":         d.Kind,
			"authwatch.delivery.id":        d.ID,
			"authwatch.delivery.attempt":   d.Attempts,
			"authwatch.delivery.outcome":   outcomeNames[r.Outcome],
			"authwatch.delivery.workloads": len(m.Workloads),
		},
	}
	if r.Outcome != plan.Delivered {
		s.Error = outcomeNames[r.Outcome]
	}
	if r.Status != 0 && kind != "email" { // whose numbers are SMTP's
		s.Attributes["http.response.status_code"] = r.Status
		if s.Error != "" && r.Status >= http.StatusBadRequest {
			s.Error = strconv.Itoa(r.Status)
		}
	}
	var all []trace.Span
	seen := map[string]bool{"": true}
	for _, rec := range m.Workloads {
		parent := traceOf(rec)
		if seen[parent] {
			continue
		}
		seen[parent] = true
		one := s
		if one.Parent = parent; parent == m.Trace {
			one.Own = m.Hop
		}
		one.Attributes = maps.Clone(s.Attributes)
		one.Attributes["authwatch.workload"] = rec.Workload
		all = append(all, one)
	}
	return all
}
