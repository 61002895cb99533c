package config

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from a syntax tree. It goes on after an error, to
// report all of them.
type decoder struct {
	file    string
	lines   map[string]int // where each value was written, by path
	anchors map[string]ast.Node
	errs    Errors
	getenv  func(string) (string, bool)
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, lines: map[string]int{}, anchors: map[string]ast.Node{}, getenv: os.LookupEnv}
}

func (d *decoder) fail(line int, path, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) decodeRoot(root *ast.MappingNode, into any) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: decoding into %T, which is not a pointer to a struct", into))
	}
	d.decode(root, v.Elem(), "")
}

var ignored = reflect.TypeFor[Ignored]()

func (d *decoder) decode(n ast.Node, v reflect.Value, path string) {
	if v.Type() == ignored {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem(), path)
		return
	}
	at := lineOf(n)
	n = d.resolve(n)
	switch kind := v.Kind(); {
	case unmarshalsText(v) || kind != reflect.Struct && kind != reflect.Slice && kind != reflect.Map:
		d.decodeScalar(n, v, at, path)
	case n.Type() == ast.NullType:
		// "workloads:" with nothing, or only comments, below it
	case kind == reflect.Slice:
		d.decodeList(n, v, at, path)
	default:
		d.decodeMapping(n, v, at, path)
	}
}

func (d *decoder) decodeList(n ast.Node, v reflect.Value, at int, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok && v.Type() == listType && n.Type() != ast.MappingType {
		one := reflect.MakeSlice(listType, 1, 1)
		d.decodeScalar(n, one.Index(0), at, path)
		v.Set(one)
		return
	}
	if !ok {
		d.fail(at, path, "expected a list, found %s", describe(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		p := fmt.Sprintf("%s[%d]", path, i)
		d.lines[p] = lineOf(item)
		if d.resolve(item).Type() == ast.NullType {
			d.fail(lineOf(item), p, "the list entry is empty")
			continue
		}
		d.decode(item, list.Index(i), p)
	}
	v.Set(list)
}

func (d *decoder) decodeMapping(n ast.Node, v reflect.Value, at int, path string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.fail(at, path, "expected a mapping (key: value), found %s", describe(n))
		return
	}
	if v.Kind() == reflect.Map {
		d.decodeMap(m, v, path)
		return
	}
	fields := fieldsOf(v)
	for _, e := range d.entries(m, path) {
		f, ok := fields[e.key]
		if !ok {
			d.fail(e.line, path, "unknown key %q%s", e.key, suggest(e.key, fields))
			continue
		}
		p := join(path, e.key)
		d.lines[p] = e.line
		d.decode(e.value, f, p)
	}
}

func (d *decoder) decodeMap(m *ast.MappingNode, v reflect.Value, path string) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for _, e := range d.entries(m, path) {
		p := join(path, e.key)
		d.lines[p] = e.line
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, item, p)
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	}
}

// fieldsOf returns the fields of a struct by their yaml key; those of embedded
// structs (tag ",inline") count as its own.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for f, value := range v.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous && options == "inline":
			maps.Copy(fields, fieldsOf(value))
		case key == "-" || !f.IsExported():
		case key == "":
			panic(fmt.Sprintf("config: field %s of %s has no yaml tag", f.Name, v.Type()))
		default:
			fields[key] = value
		}
	}
	return fields
}
