package redact

import (
	"cmp"
	"slices"
	"strings"
)

// span is a part of the text that goes.
type span struct{ from, to int32 }

type spans struct{ all []span }

func (s *spans) add(from, to int32) {
	if n := len(s.all); n > 0 && from >= s.all[n-1].from && from <= s.all[n-1].to {
		s.all[n-1].to = max(s.all[n-1].to, to)
		return
	}
	s.all = append(s.all, span{min(from, to), max(from, to)})
}

// cover puts the mark in the place of every span, and one where they are close
// together: what is between them is most likely a piece of the same secret.
func (s *spans) cover(text string) string {
	if len(s.all) == 0 {
		return text
	}
	slices.SortFunc(s.all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	done, open := 0, false // open: a mark was just written
	for _, p := range s.all {
		from, to := int(p.from), int(p.to)
		if to <= done {
			continue
		}
		if between := text[done:max(from, done)]; !open || len(between) > gap || strings.ContainsAny(between, " \t\r\n") {
			b.WriteString(between)
			b.WriteString(Mark)
		}
		done, open = to, true
	}
	b.WriteString(text[done:])
	return b.String()
}
