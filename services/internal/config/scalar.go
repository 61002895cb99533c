package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

func (d *decoder) decodeScalar(n ast.Node, v reflect.Value, at int, path string) {
	written, quoted, ok := textOf(n)
	if !ok {
		if n.Type() == ast.NullType {
			d.fail(at, path, "has no value; give one or remove the key")
			return
		}
		d.fail(at, path, "expected %s, found %s", expected(v), describe(n))
		return
	}
	text, err := expand(written, d.getenv)
	if err != nil {
		d.fail(at, path, "%s", err)
		return
	}
	if text == written && quoted && v.Kind() != reflect.String && !unmarshalsText(v) {
		d.fail(at, path, "expected %s, found text in quotes", expected(v))
		return
	}
	if err := set(v, text); err != nil {
		reason := err.Error()
		if text != written {
			// What a variable holds may be a secret, even here.
			reason = fmt.Sprintf("expected %s, found something else in %s", expected(v), written)
		}
		d.fail(at, path, "%s", reason)
	}
}

// set parses text as v's type. Numbers are decimal: 0777 and 1_000 read
// differently in different versions of YAML.
func set(v reflect.Value, text string) error {
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text))
	}
	var err error
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		if text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
		v.SetBool(b)
	case v.CanInt():
		var i int64
		i, err = strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
	case v.CanUint():
		var u uint64
		u, err = strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(u)
	case v.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, v.Type().Bits())
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("config: fields of type %s are not supported", v.Type()))
	}
	if err != nil {
		return fmt.Errorf("expected %s, found %q", expected(v), text)
	}
	return nil
}

func unmarshalsText(v reflect.Value) bool {
	_, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	return ok
}

func expected(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[Duration]():
		return `a duration such as "30s", "4h" or "7d"`
	case unmarshalsText(v) || v.Kind() == reflect.String:
		return "text"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt():
		return "a whole number"
	case v.CanUint():
		return "a whole number from 0 up"
	}
	return "a number"
}

// textOf returns a scalar as it was written, so that 007 stays 007 in a text.
func textOf(n ast.Node) (text string, quoted, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType, true
	case *ast.LiteralNode:
		return n.Value.Value, true, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}
