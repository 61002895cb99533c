// Package config reads the configuration file: strict YAML, decoded against Go
// structs, with errors that name the file, the line and what to write instead.
//
// A struct describes what a mapping may hold: every exported field has a yaml
// tag, and its value before [Load] is the default. Fields are text, booleans,
// numbers, types with an UnmarshalText method, and structs, pointers, slices and
// maps with text keys of these. A field of type [Ignored] accepts anything.
package config

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a configuration file; ten thousand workloads fit in.
const maxFile = 4 << 20

// Ignored is the type of a section that another program reads. It is not looked
// into, and its ${env:NAME} need not be set.
type Ignored struct{}

// Load reads file into the struct that into points at. Its errors are of type
// [Errors]: all that is wrong, not only the first.
func Load(file string, into any) (*Document, error) {
	text, err := ReadFile(file, maxFile)
	if err != nil {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err
		}
		return nil, Errors{{File: file, Text: err.Error(), cause: err}}
	}
	return Parse(file, text, into)
}

// Parse is [Load] for a text at hand; file names it in errors.
func Parse(file string, text []byte, into any) (*Document, error) {
	d := newDecoder(file)
	if root := d.parse(text); root != nil {
		d.decodeRoot(root, into)
	}
	if len(d.errs) > 0 {
		return nil, d.errs.sorted()
	}
	return &Document{file: file, lines: d.lines}, nil
}

// parse returns the one mapping that a file has to hold, or nil and errors.
func (d *decoder) parse(text []byte) *ast.MappingNode {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if line := firstBadLine(text); line > 0 {
		d.fail(line, "", "not UTF-8 text")
		return nil
	}
	tokens, ok := d.tokens(text)
	if !ok {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.failSyntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode:
			continue
		}
		if body != nil {
			d.fail(lineOf(doc.Body), "", "a second document starts here; a configuration file holds one")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		d.fail(0, "", "the file is empty")
		return nil
	}
	d.collectAnchors(body)
	root, ok := d.resolve(body).(*ast.MappingNode)
	if !ok {
		d.fail(lineOf(body), "", `expected sections such as "proxy:", found %s`, describe(body))
	}
	return root
}

func (d *decoder) failSyntax(err error) {
	var se yaml.Error
	if !errors.As(err, &se) || se.GetToken() == nil {
		d.fail(0, "", "not valid YAML")
		return
	}
	// The message only: the library's own text quotes whole lines, and with
	// them secrets.
	text := se.GetMessage()
	if strings.Contains(text, "'\t'") {
		text = "a tab indents this line; use spaces"
	}
	d.fail(se.GetToken().Position.Line, "", "not valid YAML: %s", text)
}

func firstBadLine(text []byte) int {
	for i, l := range bytes.Split(text, []byte("\n")) {
		if !utf8.Valid(l) || bytes.IndexByte(l, 0) >= 0 {
			return i + 1
		}
	}
	return 0
}
