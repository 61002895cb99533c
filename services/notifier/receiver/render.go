package receiver

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// The most that a template of the user's may produce.
const (
	maxTitle = 1 << 10
	maxText  = 512 << 10
)

// data is what a template sees.
type data struct {
	Kind      string
	Receiver  string
	Open      bool
	Left      int
	Note      string
	Link      string
	Workload  events.Record // the first
	Workloads []events.Record
	Title     string // the built-in ones
	Text      string
}

// Templates are the words of one receiver.
type Templates struct {
	title, text *template.Template
	each        bool // words about each workload too
}

// words are those of a message about one workload of several.
type words struct{ title, text string }

var functions = template.FuncMap{
	"join":  func(sep string, s []string) string { return strings.Join(s, sep) },
	"upper": strings.ToUpper,
	"names": names,
	"time":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}

// Templates compiles c's templates.
func (c *Config) Templates() (Templates, error) {
	title, err := compile("title", c.Title)
	if err != nil {
		return Templates{}, err
	}
	text, err := compile("text", c.Text)
	return Templates{title, text, c.Alertmanager != nil}, err
}

func compile(name, text string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	return template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
}

// Render writes m's title and text. Where a template fails they are the built-in
// ones, and the error says why: people are told in any case.
func (t Templates) Render(m *Message) error {
	m.Title, m.Text = title(*m), text(*m, all)
	if m.Text == "" {
		m.Text = m.Title
	}
	data := templateData(*m)
	newTitle, errTitle := execute(t.title, data, maxTitle)
	newText, errText := execute(t.text, data, maxText)
	if newTitle = oneLine(newTitle, maxTitle); newTitle != "" {
		m.Title = newTitle
	}
	if newText != "" {
		m.Text, m.templated = newText, true
	}
	if t.each && len(m.Workloads) > 0 {
		m.each = t.words(*m)
	}
	return errors.Join(errTitle, errText)
}

// words are those about each workload by itself.
func (t Templates) words(m Message) []words {
	all := make([]words, len(m.Workloads))
	t.each = false
	for i := range m.Workloads {
		one := m
		one.Workloads, one.Left = m.Workloads[i:i+1], 0
		_ = t.Render(&one) // has been reported for the whole
		all[i] = words{one.Title, one.Text}
	}
	return all
}

func templateData(m Message) data {
	d := data{
		Kind: m.Kind, Receiver: m.Receiver, Open: m.Open, Left: m.Left, Note: m.Note, Link: m.Link,
		Workloads: m.Workloads, Title: m.Title, Text: m.Text,
	}
	if len(m.Workloads) > 0 {
		d.Workload = m.Workloads[0]
	}
	return d
}

// errTooLong stops a template that would not end.
var errTooLong = errors.New("the result is too long")

type bounded struct {
	strings.Builder
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

var _ io.Writer = (*bounded)(nil)

func execute(t *template.Template, data data, most int) (string, error) {
	if t == nil {
		return "", nil
	}
	b := &bounded{left: most}
	if err := t.Execute(b, data); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return b.String(), nil
}

// templateProblems renders c's templates with a sample of each kind.
func (c *Config) templateProblems() []config.Problem {
	var ps []config.Problem
	for key, source := range map[string]string{"title": c.Title, "text": c.Text} {
		t, err := compile(key, source)
		if err != nil {
			ps = append(ps, config.Problem{Path: key, Text: err.Error()})
			continue
		}
		words := Templates{title: t}
		if key == "text" {
			words = Templates{text: t}
		}
		for _, m := range samples(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			if err := words.Render(&m); err != nil {
				ps = append(ps, config.Problem{Path: key, Text: fmt.Sprintf("fails for an alert of kind %s: %v", m.Kind, err)})
				break
			}
		}
	}
	return ps
}
