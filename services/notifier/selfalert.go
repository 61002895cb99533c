package notifier

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// A self alert says through other receivers that one does not accept messages.
// It is a record like any other, of something that is not a workload. So rows,
// attempts and its end need no code of their own.
const selfAlertPrefix = "receiver/" // no workload has a name with a slash

const statusUnreachable events.Status = "unreachable"

// selfAlert is the record of a receiver.
func selfAlert(name string, h receiverHealth) events.Record {
	since := h.Since.UTC()
	incident := selfAlertPrefix + name + "/" + strconv.FormatInt(since.UnixMilli(), 36)
	rec := events.Record{Workload: selfAlertPrefix + name, Since: since, Incidents: since.UnixMilli()}
	if h.Health == plan.Up {
		rec.Status = events.StatusRunning
		rec.LastIncident = &events.Incident{ID: incident, Opened: since, Closed: since}
		return rec
	}
	rec.Status, rec.Incident, rec.Reason = statusUnreachable, incident, string(h.Health)
	rec.Message = fmt.Sprintf("Receiver %q does not accept messages (%s). Its alerts wait, and go to its fallback if it has one. "+
		"Fix it, then run: authwatch test %s", name, h.Error, name)
	return rec
}

func isSelfAlert(d *plan.Delivery) bool {
	return strings.HasPrefix(d.Members[0].Workload, selfAlertPrefix)
}

func selfAlertText(records []events.Record) string {
	var lines []string
	for _, r := range records {
		if r.Message != "" {
			lines = append(lines, r.Message)
		}
	}
	return strings.Join(lines, "\n")
}
