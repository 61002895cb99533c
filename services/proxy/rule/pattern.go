package rule

import (
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// pattern is a text in which every * stands for any text, in lower case and cut
// at the stars.
type pattern []string

func newPattern(text string) pattern { return strings.Split(strings.ToLower(text), "*") }

// matches reports whether text, in lower case, is all of the pattern.
func (p pattern) matches(text string) bool {
	first, last := p[0], p[len(p)-1]
	if len(p) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range p[1 : len(p)-1] {
		i := strings.Index(text, piece)
		if i < 0 {
			return false
		}
		text = text[i+len(piece):]
	}
	return true
}

// any is the pattern that everything matches.
func (p pattern) any() bool {
	return len(p) > 1 && !slices.ContainsFunc(p, func(s string) bool { return s != "" })
}

// patterns is a list of which one has to match. An empty one asks for nothing.
type patterns []pattern

func newPatterns(list config.List) patterns {
	var all patterns
	for _, text := range list {
		all = append(all, newPattern(text))
	}
	return all
}

func (p patterns) match(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(p, func(one pattern) bool { return one.matches(text) })
}
