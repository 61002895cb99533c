package receiver

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/authwatch/authwatch/events"
)

// text is m in full. It names most workloads of each explanation, and counts the
// others.
func text(m Message, most int) string {
	var b strings.Builder
	if m.Notice != "" {
		b.WriteString(m.Notice + "\n")
	}
	if m.Kind == events.KindTest {
		b.WriteString("This is a test: nothing is wrong. Alerts to this receiver arrive.\n")
	}
	all := explain(m.Workloads)
	for i, e := range all {
		if i > 0 && i >= most {
			fmt.Fprintf(&b, "and %d more workloads, for other reasons\n", count(all[i:]))
			break
		}
		if i > 0 && len(e.workloads)+len(all[i-1].workloads) > 2 {
			b.WriteString("\n") // a list of names ends before the next explanation
		}
		b.WriteString(e.text(most) + "\n")
	}
	if m.Left > 0 {
		fmt.Fprintf(&b, "%d more workloads of this alert are still not working.\n", m.Left)
	}
	if m.Note != "" {
		b.WriteString(m.Note + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// explanation is what happened to workloads that share it, told once.
type explanation struct {
	line      string // of the first workload
	workloads []string
}

// explain puts together the workloads that the same happened to: those that one
// credential fails for the same reason, or that failed for the same time. The
// words of the first one stand for all; what an upstream says besides may differ
// from one to the next.
func explain(records []events.Record) []*explanation {
	var all []*explanation
	known := map[string]*explanation{}
	for _, r := range records {
		line := line(r)
		key := strings.TrimPrefix(line, r.Workload+": ")
		if c := r.Credential; open(r) && c != nil && c.Fingerprint != "" {
			key = strings.Join([]string{string(r.Status), r.Reason, c.Fingerprint, c.Source}, "\x00")
		}
		e := known[key]
		if e == nil {
			e = &explanation{line: line}
			known[key] = e
			all = append(all, e)
		}
		e.workloads = append(e.workloads, r.Workload)
	}
	return all
}

func count(all []*explanation) int {
	n := 0
	for _, e := range all {
		n += len(e.workloads)
	}
	return n
}

// text is the explanation and up to most of its workloads.
func (e *explanation) text(most int) string {
	if len(e.workloads) == 1 {
		return e.line
	}
	shown := e.workloads[:min(max(most, 1), len(e.workloads))]
	text := sentence(strings.TrimPrefix(e.line, e.workloads[0]+": ")) + "\nWorkloads: " + strings.Join(shown, ", ")
	if left := len(e.workloads) - len(shown); left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

// sentence is text that begins with a capital letter.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

func open(r events.Record) bool { return r.Incident != "" || r.LastIncident == nil }

// line is what happened to one workload, on one line.
func line(r events.Record) string {
	if open(r) {
		return cmp.Or(r.Message, fmt.Sprintf("%s: %s since %s", r.Workload, r.Status, clock(r.Since)))
	}
	l := r.LastIncident
	if isWarning(r) {
		if l.Retired {
			return r.Workload + ": it was removed from the configuration, and expires for nobody."
		}
		return fmt.Sprintf("%s: another credential was loaded in place of the one that was about to expire; now %s", r.Workload, r.Status)
	}
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
