// Package terminal prints for people: colours where there is a terminal to show
// them, aligned columns, and lines that end before the window does.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width is where [Wrap] breaks lines: what the narrowest usual window shows.
const Width = 80

// Printer writes to one output.
type Printer struct {
	io.Writer
	colour bool
}

// New returns a printer that uses colours if w is a terminal and NO_COLOR
// (https://no-color.org) is not set.
func New(w io.Writer) *Printer {
	return &Printer{Writer: w, colour: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Line prints one line.
//
// Errors are not reported: whoever reads along has gone, and the work goes on.
func (p *Printer) Line(format string, args ...any) { _, _ = fmt.Fprintf(p, format+"\n", args...) }

// Bold is for names and headings.
func (p *Printer) Bold(s string) string { return p.style("1", s) }

// Dim is for what only frames the rest.
func (p *Printer) Dim(s string) string { return p.style("2", s) }

// Red is for what needs a person.
func (p *Printer) Red(s string) string { return p.style("31;1", s) }

// Yellow is for what may need one soon.
func (p *Printer) Yellow(s string) string { return p.style("33", s) }

// Green is for what is as it should be.
func (p *Printer) Green(s string) string { return p.style("32", s) }

func (p *Printer) style(code, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Clean returns s on one line and without control characters and the invisible
// ones that reorder text: much of what is shown was written by an upstream.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

// Pad returns s with blanks up to width columns: on the right, or on the left
// where width is negative.
func Pad(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if width < 0 {
		return strings.Repeat(" ", max(-width-n, 0)) + s
	}
	return s + strings.Repeat(" ", max(width-n, 0))
}

// Cut shortens s to width columns.
func Cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Wrap breaks text at blanks so that no line with indent in front of it is
// longer than [Width]. A word longer than a line is left whole: it may be a path
// that somebody copies.
func Wrap(text string, indent int) []string {
	var lines []string
	room := Width - indent
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= room {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
