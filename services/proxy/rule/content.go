package rule

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// jsonContent asks for values by pointer; all have to be there.
type jsonContent []jsonValue

type jsonValue struct {
	path   []string
	values patterns
}

func newJSONContent(values map[string]config.List) jsonContent {
	var c jsonContent
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for pointer, list := range values {
		v := jsonValue{values: newPatterns(list)}
		if pointer != "" {
			for _, step := range strings.Split(pointer, "/")[1:] {
				v.path = append(v.path, unescape.Replace(step))
			}
		}
		c = append(c, v)
	}
	return c
}

func (c jsonContent) holds(d *document) bool {
	for _, v := range c {
		if n := len(v.path); n > 0 && !d.mentions(v.path[n-1]) && v.path[n-1] != "*" && !isIndex(v.path[n-1]) {
			return false
		}
	}
	for _, v := range c {
		if !v.in(d.value(), v.path) {
			return false
		}
	}
	return true
}

func isIndex(step string) bool {
	_, err := strconv.Atoi(step)
	return err == nil
}

// in reports whether the pattern is met at the path below value.
func (v *jsonValue) in(value any, path []string) bool {
	if len(path) == 0 {
		text, ok := scalar(value)
		return ok && v.values.match(text) || !ok && value != nil && slices.ContainsFunc(v.values, pattern.any)
	}
	step, rest := path[0], path[1:]
	switch value := value.(type) {
	case map[string]any:
		if child, ok := value[step]; ok {
			return v.in(child, rest)
		}
		if step == "*" {
			for _, child := range value {
				if v.in(child, rest) {
					return true
				}
			}
		}
	case []any:
		if step == "*" {
			return slices.ContainsFunc(value, func(child any) bool { return v.in(child, rest) })
		}
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(value) {
			return v.in(value[i], rest)
		}
	}
	return false
}

// scalar is a value as rules write it.
func scalar(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}

// xmlContent asks for the text of elements, wherever they are; all have to be there.
type xmlContent map[string]patterns

func newXMLContent(values map[string]config.List) xmlContent {
	c := xmlContent{}
	for name, list := range values {
		c[name] = newPatterns(list)
	}
	return c
}

func (c xmlContent) holds(d *document) bool {
	for name := range c {
		if !d.mentions(name) {
			return false
		}
	}
	decoder := xml.NewDecoder(bytes.NewReader(d.text))
	decoder.Strict = false
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	found := map[string]bool{}
	inside, text := "", ""
	for {
		token, err := decoder.Token()
		if err != nil { // also at the end: what was read counts
			return len(found) == len(c)
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside, text = t.Name.Local, ""
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			if p, ok := c[inside]; ok && inside == t.Name.Local && p.match(strings.TrimSpace(text)) {
				found[inside] = true
			}
			inside = ""
		}
	}
}

// rpcError asks for an error of JSON-RPC.
type rpcError struct{ codes, message patterns }

func (c *rpcError) holds(d *document) bool {
	return d.mentions(`"error"`) && slices.ContainsFunc(d.messages(), func(m message) bool {
		return m.Error != nil && c.codes.match(m.Error.Code.String()) &&
			(len(c.message) == 0 || c.message.match(m.Error.Message))
	})
}

// toolError asks for a result of tools/call that is an error.
type toolError struct{ text patterns }

func (c *toolError) holds(d *document) bool {
	return d.mentions(`"isError"`) && slices.ContainsFunc(d.messages(), func(m message) bool {
		if m.Result == nil || !m.Result.IsError {
			return false
		}
		for _, part := range m.Result.Content {
			if c.text.match(strings.TrimSpace(part.Text)) {
				return true
			}
		}
		return false
	})
}
