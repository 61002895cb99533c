package receiver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// form is how a provider wants a message: what becomes of its words, and how
// long they may be. Every limit is one of what is sent, after escaping and
// encoding.
type form struct {
	// escape keeps words from becoming markup, links or mentions; nil: the
	// provider shows them as they are. Words are cut before it: nothing that it
	// wrote is cut in half.
	escape func(string) string
	// units measures escaped words; nil: in UTF-16 code units, as JavaScript
	// counts. No other way to count characters gives more.
	units func(string) int
	title int // most units; 0: no limit
	text  int // most units; 0: no limit
	body  int // most bytes of the encoded body; 0: no limit
	// encode makes the body of a title and a text that are escaped.
	encode func(title, text string) []byte
}

// fit is the body for m. A text that is too long names fewer workloads; only
// where that does not help it is cut off.
func (f form) fit(m Message) []byte {
	if f.escape == nil {
		f.escape = func(s string) string { return s }
	}
	if f.units == nil {
		f.units = func(s string) int { return len(utf16.Encode([]rune(s))) }
	}
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	m.Title = valid(m.Title)
	head := longest(len(m.Title), func(n int) bool {
		return f.short(cut(m.Title, n), f.title)
	})
	title := f.escape(cut(m.Title, head))
	fits := func(text string) bool {
		return f.short(text, f.text) && (f.body == 0 || len(f.encode(title, f.escape(text))) <= f.body)
	}
	whole := cmp.Or(valid(m.Text), "-")
	if fits(whole) {
		return f.encode(title, f.escape(whole))
	}
	if !m.templated {
		few := longest(len(m.Workloads), func(n int) bool { return fits(valid(text(m, n))) })
		whole = cmp.Or(valid(text(m, max(few, 1))), "-")
	}
	n := longest(len(whole), func(n int) bool { return fits(cut(whole, n)) })
	return f.encode(title, f.escape(cut(whole, n)))
}

func (f form) short(words string, most int) bool {
	return most == 0 || f.units(f.escape(words)) <= most
}

// longest is the largest of 0 to most that fits, where what fits is not long.
func longest(most int, fits func(n int) bool) int {
	return max(sort.Search(most+1, func(n int) bool { return !fits(n) })-1, 0)
}

// all is how many workloads a text names where nothing limits it.
const all = math.MaxInt

// encodeJSON encodes what this package made; it cannot fail. Characters that only
// HTML minds stay as they are: each would become six.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// cut cuts text to n bytes, between runes, and says so.
func cut(text string, n int) string {
	const more = "…"
	if len(text) <= n {
		return text
	}
	for n = max(n-len(more), 0); n > 0 && !utf8.RuneStart(text[n]); {
		n--
	}
	return text[:n] + more
}
