package page

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status/api"
)

func functions(now func() time.Time, stale func() error) template.FuncMap {
	return template.FuncMap{
		"advice": advice,
		"stale":  func() bool { return stale() != nil },
		"tone":   tone,
		"glyph":  glyph,
		"clock":  clock,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":    func(t time.Time) string { return ago(now().Sub(t)) },
		"span":   func(t time.Time) string { return span(now().Sub(t)) },
		"told":   told,
		"proxy":  func(source string) string { return strings.TrimPrefix(source, "urn:authwatch:proxy:") },
		"plural": func(n int, one, many string) string {
			if n == 1 {
				return one
			}
			return many
		},
		"lower": strings.ToLower,
	}
}

// glyph says the same as the colour, for people who do not see the colour.
func glyph(s events.Status) string {
	switch tone(s) {
	case "bad":
		return "✕"
	case "warn":
		return "!"
	case "good":
		return "✓"
	}
	return "·"
}

func clock(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05 UTC") }

// span is a length of time as people say it, in its largest unit.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func ago(d time.Duration) string {
	switch {
	case d.Abs() < 5*time.Second:
		return "just now"
	case d < 0:
		return "in " + span(d)
	}
	return span(d) + " ago"
}

// told says in words what a receipt is about.
func told(d api.Receipt) string {
	delivered := d.Type == events.TypeAlertDelivered
	what, ok := map[string]string{
		events.KindOpened: "of the incident", events.KindResolved: "of the recovery",
		events.KindReminder: "again", events.KindDigest: "in a digest", events.KindTest: "as a test",
		events.KindExpiring: "that it expires soon",
	}[d.Kind]
	if !ok {
		what = "(" + d.Kind + ")"
	}
	if delivered {
		return "was notified " + what
	}
	return "could not be notified " + what
}
