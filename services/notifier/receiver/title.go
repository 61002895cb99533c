package receiver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

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
		return who + predicate(m.Workloads, "")
	case events.KindReminder:
		return who + predicate(m.Workloads, "still ")
	case events.KindExpiring:
		return who + expires(m)
	case events.KindResolved:
		if m.Left > 0 {
			return fmt.Sprintf("%s %s, %d still not working", who, end(m.Workloads), m.Left)
		}
		return who + " " + end(m.Workloads)
	}
	switch {
	case !m.Open:
		return who + " failed and " + end(m.Workloads)
	case len(m.Workloads) > 1:
		return who + " change often" + predicate(m.Workloads, "now ")
	}
	return who + " changes often, now" + predicate(m.Workloads, "")
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
	warnings := !slices.ContainsFunc(records, func(r events.Record) bool { return !isWarning(r) })
	switch retired {
	case 0:
		if warnings && len(records) == 1 {
			return "has a new credential"
		} else if warnings {
			return "have new credentials"
		}
		return "recovered"
	case len(records):
		return verb + " removed from the configuration"
	}
	return fmt.Sprintf("recovered, or %s removed from the configuration (%d)", verb, retired)
}

// expires is when the credential ends, as it was when m was first to be said.
func expires(m Message) string {
	verb := " expires"
	if len(m.Workloads) > 1 {
		verb = " expire"
	}
	c := m.Workloads[0].Credential
	if c == nil || c.ExpiresAt == nil {
		return verb + " soon"
	}
	left := c.ExpiresAt.Sub(m.Time) + time.Minute // a step is told a moment late
	unit, n := "minute", int(left/time.Minute)
	switch {
	case left >= 24*time.Hour:
		unit, n = "day", int(left/(24*time.Hour))
	case left >= time.Hour:
		unit, n = "hour", int(left/time.Hour)
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%s in %d %s", verb, max(n, 0), unit)
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

// subject names up to three workloads, or two and how many more there are.
func subject(records []events.Record) string {
	all := names(records)
	switch n := len(all); {
	case n == 0:
		return "no workload"
	case n == 1:
		return all[0]
	case n <= 3:
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return fmt.Sprintf("%s, %s and %d more", all[0], all[1], len(all)-2)
}

// predicate is the status that the records share, after their subject. The word
// is said of the status: still, or now.
func predicate(records []events.Record, word string) string {
	if len(records) == 0 {
		return ""
	}
	status, reason := records[0].Status, records[0].Reason
	for _, r := range records[1:] {
		if r.Status != status {
			status = ""
		}
		if r.Reason != reason {
			reason = ""
		}
	}
	if reason != "" {
		reason = " (" + reason + ")"
	}
	missing := status == events.StatusMissing
	switch {
	case len(records) == 1 && missing:
		return " " + word + "has no usable credential" + reason
	case len(records) == 1:
		return " " + word + "is " + string(status) + reason
	case missing:
		return ": " + word + "no usable credential" + reason
	case status == events.StatusUnauthenticated:
		return ": token " + word + "rejected" + reason
	}
	return ": " + word + "not working" + reason
}
