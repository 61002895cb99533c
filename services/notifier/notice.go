package notifier

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// The notifier's own trouble, a receiver that cannot be told, is told through
// other receivers. It is a record like any other, of something that is no
// workload: rows, retries and the end of it come for free.
const noticePrefix = "receiver/" // no workload has a name with a slash

const statusUnreachable events.Status = "unreachable"

// notice is the record of a receiver.
func notice(name string, c condition) events.Record {
	since := c.Since.UTC()
	incident := noticePrefix + name + "/" + strconv.FormatInt(since.UnixMilli(), 36)
	rec := events.Record{Workload: noticePrefix + name, Since: since, Incidents: since.UnixMilli()}
	if c.State == plan.Up {
		rec.Status = events.StatusRunning
		rec.LastIncident = &events.Incident{ID: incident, Opened: since, Closed: since}
		return rec
	}
	rec.Status, rec.Incident, rec.Reason = statusUnreachable, incident, string(c.State)
	rec.Message = fmt.Sprintf("The receiver %q cannot be told (%s). Its alerts wait, and go to its fallback if it has one. "+
		"Mend it, then: authwatch test %s", name, c.Error, name)
	return rec
}

// announce shows a receiver's condition to the others of the last route. A
// fallback that stands in for it needs no notice: each alert that it gets says
// why. The caller holds the lock.
func (n *session) announce(name string, c condition) {
	now := n.clock.Now()
	told := n.standIns(name, now)
	k := known{Record: notice(name, c)}
	for other, w := range n.workers {
		p := plan.Policy{SendResolved: w.config.WantsResolved()}
		if told[other] {
			p.Routed, p.Repeat = true, defaultRepeatInterval
		}
		if other != name {
			w.observe(k, p, "", now)
		}
	}
}

func (n *session) standIns(name string, now time.Time) map[string]bool {
	told := map[string]bool{}
	for next := n.workers[name].config.Fallback; next != ""; next = n.workers[next].config.Fallback {
		if _, lost := n.workers[next].lost("", now); !lost {
			return told
		}
	}
	if len(n.config.Routes) == 0 {
		return told
	}
	for _, other := range n.config.Routes[len(n.config.Routes)-1].Receivers {
		if _, lost := n.workers[other].lost("", now); !lost && other != name {
			told[other] = true
		}
	}
	return told
}

// noticeOf is the receiver that a record is a notice of.
func noticeOf(rec events.Record) (name string, ok bool) {
	return strings.CutPrefix(rec.Workload, noticePrefix)
}

// notices are the words of several.
func notices(records []events.Record) string {
	var lines []string
	for _, r := range records {
		if r.Message != "" {
			lines = append(lines, r.Message)
		}
	}
	return strings.Join(lines, "\n")
}
