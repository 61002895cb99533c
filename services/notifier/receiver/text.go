package receiver

import (
	"fmt"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

// mostNames is how many workloads a text names one by one.
const mostNames = 50

// title is m in one line.
func title(m Message) string {
	if m.About != "" {
		return aboutTitle(m)
	}
	who := subject(m.Workloads)
	switch m.Kind {
	case events.KindTest:
		return "authwatch test message"
	case events.KindOpened:
		return who + " " + what(m.Workloads)
	case events.KindReminder:
		return who + " still " + what(m.Workloads)
	case events.KindResolved:
		if m.Left > 0 {
			return fmt.Sprintf("%s %s, %d still not working", who, end(m.Workloads), m.Left)
		}
		return who + " " + end(m.Workloads)
	}
	if m.Open {
		return who + " changes often, now " + what(m.Workloads)
	}
	return who + " failed and " + end(m.Workloads)
}

// end is how the incidents of the records ended, as the predicate of a sentence.
func end(records []events.Record) string {
	retired := 0
	for _, r := range records {
		if l := r.LastIncident; l != nil && l.Retired {
			retired++
		}
	}
	verb := "was"
	if retired > 1 {
		verb = "were"
	}
	switch retired {
	case 0:
		return "recovered"
	case len(records):
		return verb + " removed from the configuration"
	}
	return fmt.Sprintf("recovered, or %s removed from the configuration (%d)", verb, retired)
}

func aboutTitle(m Message) string {
	switch {
	case !m.Open:
		return m.About + " accepts messages again"
	case m.Kind == events.KindReminder:
		return m.About + " still does not accept messages"
	}
	return m.About + " does not accept messages"
}

// subject names one workload or counts several.
func subject(records []events.Record) string {
	switch len(records) {
	case 0:
		return "no workload"
	case 1:
		return records[0].Workload
	}
	return fmt.Sprintf("%d workloads", len(records))
}

// what is the status that the records share, as the predicate of a sentence.
func what(records []events.Record) string {
	verb := "is"
	if len(records) > 1 {
		verb = "are"
	}
	status, reason := records[0].Status, records[0].Reason
	for _, r := range records[1:] {
		if r.Status != status {
			status = "not working"
		}
		if r.Reason != reason {
			reason = ""
		}
	}
	text := fmt.Sprintf("%s %s", verb, status)
	if status == events.StatusMissing {
		text = "has no usable credential"
		if len(records) > 1 {
			text = "have no usable credential"
		}
	}
	if reason != "" {
		text += " (" + reason + ")"
	}
	return text
}

// text is m in full.
func text(m Message) string {
	var b strings.Builder
	if m.Notice != "" {
		b.WriteString(m.Notice + "\n")
	}
	if m.Kind == events.KindTest {
		b.WriteString("This is a test: nothing is wrong. Alerts to this receiver arrive.\n")
	}
	if len(m.Workloads) > 1 && m.Open {
		if c := m.Workloads[0].Credential; c != nil && c.Source != "" {
			fmt.Fprintf(&b, "One credential, %s:\n", c.Source)
		}
	}
	for i, r := range m.Workloads {
		if i == mostNames {
			fmt.Fprintf(&b, "and %d more: %s\n", len(m.Workloads)-i, strings.Join(names(m.Workloads[i:]), ", "))
			break
		}
		b.WriteString(line(r) + "\n")
	}
	if m.Left > 0 {
		fmt.Fprintf(&b, "%d more workloads of this alert are still not working.\n", m.Left)
	}
	if m.Note != "" {
		b.WriteString(m.Note + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// line is what happened to one workload, on one line.
func line(r events.Record) string {
	if r.Incident != "" || r.LastIncident == nil {
		if r.Message != "" {
			return r.Message
		}
		return fmt.Sprintf("%s: %s since %s", r.Workload, r.Status, clock(r.Since))
	}
	l := r.LastIncident
	text := fmt.Sprintf("%s: not working from %s to %s", r.Workload, clock(l.Opened), clock(l.Closed))
	if d := l.Closed.Sub(l.Opened); d > 0 && !l.Opened.IsZero() {
		text += fmt.Sprintf(" (%s)", d.Round(time.Second))
	}
	if l.Reason != "" {
		text += ", " + l.Reason
	}
	if l.Retired {
		text += "; then it was removed from the configuration"
	}
	switch r.Status {
	case "":
	case events.StatusRetired:
		if !l.Retired {
			text += ", and removed from the configuration since"
		}
	default:
		text += "; now " + string(r.Status)
	}
	return text
}

func names(records []events.Record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r.Workload
	}
	return all
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
