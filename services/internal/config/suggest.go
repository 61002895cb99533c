package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// suggest says what to write instead of an unknown key: the nearest known one,
// or which there are.
func suggest[T any](key string, known map[string]T) string {
	names := slices.Sorted(maps.Keys(known))
	best, least := "", max(1, len(key)/3)+1
	for _, name := range names {
		if n := distance(strings.ToLower(key), name); n < least {
			best, least = name, n
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(names) == 0:
		return "; nothing can be set here"
	}
	return "; known here: " + strings.Join(names, ", ")
}

// distance counts the edits between a and b: a byte inserted, removed or
// replaced, or two neighbours exchanged (optimal string alignment).
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// Suggest is the end of an error about an unknown name: the nearest known one,
// or which there are.
func Suggest[T any](name string, known map[string]T) string { return suggest(name, known) }
