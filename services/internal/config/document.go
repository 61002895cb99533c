package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Document is a configuration file that was read. It knows on which line each
// value stands, for the errors that only the services can find.
type Document struct {
	file  string
	lines map[string]int // by path
}

// Error is one thing that is wrong with a configuration file.
type Error struct {
	File string
	Line int    // 0 where no line is known
	Path string // proxy.workloads[0].name; empty for the file as a whole
	Text string

	cause error
}

// Unwrap returns what the operating system said, if it did.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// Errors is everything that is wrong with a file, one line each.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes each of them visible to [errors.As].
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return es
}

// Problem is what a package found wrong with its section. Path is relative to
// the section: "workloads[2].name".
type Problem struct { //nolint:errname // an error only on its way out of a running service
	Path string
	Text string
}

func (p Problem) Error() string { return p.Path + ": " + p.Text }

// Locate adds file and line to an error that is a [Problem] of a section; others
// it returns as they are. What only shows at run time, such as a port in use,
// is so reported like any other mistake in the file.
func (d *Document) Locate(section string, err error) error {
	p, ok := errors.AsType[Problem](err)
	if !ok {
		return err
	}
	return d.errorAt(join(section, p.Path), "%s", p.Text)
}

// errorAt returns an error about the value at a path such as
// "proxy.workloads[2].name". A value that is absent from the file is reported
// on the line of what should hold it.
func (d *Document) errorAt(path, format string, args ...any) *Error {
	return &Error{File: d.file, Line: d.line(path), Path: path, Text: fmt.Sprintf(format, args...)}
}

// Check turns the problems of the section named prefix into [Errors], or nil.
func (d *Document) Check(prefix string, problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	es := make(Errors, len(problems))
	for i, p := range problems {
		es[i] = d.errorAt(join(prefix, p.Path), "%s", p.Text)
	}
	return es.sorted()
}

// CheckAll is [Document.Check] for several sections, by name.
func (d *Document) CheckAll(sections map[string][]Problem) error {
	var es Errors
	for prefix, problems := range sections {
		if found, ok := errors.AsType[Errors](d.Check(prefix, problems)); ok {
			es = append(es, found...)
		}
	}
	if len(es) == 0 {
		return nil
	}
	return es.sorted()
}

func (d *Document) line(path string) int {
	for path != "" {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func join(prefix, path string) string {
	switch {
	case prefix == "":
		return path
	case path == "" || path[0] == '[':
		return prefix + path
	}
	return prefix + "." + path
}
