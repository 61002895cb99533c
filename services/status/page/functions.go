package page

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		"advice": advice,
		"tone":   tone,
		"glyph":  glyph,
		"clock":  clock,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":    func(t time.Time) string { return distance(p.now().Sub(t)) },
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

// glyph says the same as the colour, for those who do not see it.
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

// distance is a length of time as people say it, to two digits at most.
func distance(d time.Duration) string {
	future := d < 0
	d = d.Abs()
	text := ""
	switch {
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		text = fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		text = fmt.Sprintf("%d h", d/time.Hour)
	default:
		text = fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	if future {
		return "in " + text
	}
	return text + " ago"
}
