package status

import (
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// spanOf is the work of turning o into a record of another status.
func spanOf(o Observation, after events.Record, began, ended time.Time) trace.Span {
	return trace.Span{
		Parent: o.TraceParent, Name: "process " + o.Type + ".{workload}", Kind: trace.Consumer,
		Start: began, End: ended,
		Attributes: map[string]any{
			"messaging.system":              "nats",
			"messaging.operation.name":      "process",
			"messaging.operation.type":      "process",
			"messaging.destination.name":    events.Subject(o.Type, after.Workload),
			"messaging.consumer.group.name": bus.DurableStatus,
			"messaging.message.id":          o.ID,
			"authwatch.workload":            after.Workload,
			"authwatch.status":              string(after.Status),
			"authwatch.status.previous":     string(after.Previous),
			"authwatch.incident":            after.Incident,
		},
	}
}
