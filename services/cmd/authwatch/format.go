package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/status/api"
)

// statusText is the status as one word, or two where the upstream is down.
func statusText(w api.Workload) string {
	text := terminal.Clean(string(w.Status))
	if w.Reachable != nil && !*w.Reachable {
		text += ", unreachable"
	}
	return text
}

func statusStyle(p *terminal.Printer, w api.Workload) func(string) string {
	switch {
	case w.Status.Bad():
		return p.Red
	case w.Status == events.StatusRunning && (w.Reachable == nil || *w.Reachable):
		return p.Green
	}
	return p.Yellow
}

func servedBy(w api.Workload) string {
	switch w.ServedBy {
	case 0:
		return "nobody"
	case 1:
		return "1 proxy"
	}
	return fmt.Sprintf("%d proxies", w.ServedBy)
}

// silencedText says until when, by whom and why alerts are held back, if they are.
func silencedText(s *events.Silence) string {
	if s == nil {
		return ""
	}
	text := "silenced until " + localTime(s.Until)
	if s.By != "" {
		text += " by " + s.By
	}
	if s.Comment != "" {
		text += ": " + s.Comment
	}
	return terminal.Clean(text)
}

// reason is why the status is as it is, and what is done about it.
func reason(w api.Workload) string {
	parts := []string{statusReason(w)}
	if w.Incident != "" && w.Acknowledged.Holds(time.Now()) {
		parts = append(parts, strings.TrimSuffix("acknowledged by "+terminal.Clean(w.Acknowledged.By), " by "))
	}
	if w.Status.Bad() {
		parts = append(parts, silencedText(w.Silenced))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

func statusReason(w api.Workload) string {
	if w.Reason == "" && w.Outage != nil {
		return terminal.Clean(w.Outage.Error)
	}
	return terminal.Clean(w.Reason)
}

// ago is a span of time in its largest unit, as people say it.
func ago(now, then time.Time) string {
	switch d := now.Sub(then); {
	case then.IsZero():
		return ""
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd ago", int(d.Hours()/24))
	}
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// printJSON prints raw as it came, in lines.
func printJSON(p *terminal.Printer, raw []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(raw), "", "  "); err != nil {
		return err
	}
	p.Line("%s", out.Bytes())
	return nil
}

func printValue(p *terminal.Printer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return printJSON(p, raw)
}

// orEmpty makes an empty list of nil, which JSON would write as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
