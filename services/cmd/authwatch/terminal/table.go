package terminal

import (
	"strings"
	"unicode/utf8"
)

// A Cell is a text and how it looks; a nil Style is plain.
type Cell struct {
	Text  string
	Style func(string) string
}

// Table prints rows in columns two blanks apart. The last column is not padded.
func (p *Printer) Table(rows [][]Cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := c.Text
			if c.Style != nil {
				text = c.Style(text)
			}
			line.WriteString(text)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+2))
			}
		}
		p.Line("%s", strings.TrimRight(line.String(), " "))
	}
}
