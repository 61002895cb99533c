package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
)

// document is a body, decoded when a rule asks for it, once.
type document struct {
	text []byte

	parsed bool
	json   any // nil: it is none
	rpc    []message
}

// message is a JSON-RPC answer.
type message struct {
	Error *struct {
		Code    json.Number `json:"code"`
		Message string      `json:"message"`
	} `json:"error"`
	Result *struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"result"`
}

// mentions is cheap, and spares most good answers the decoding.
func (d *document) mentions(key string) bool { return bytes.Contains(d.text, []byte(key)) }

// callback is what JSONP puts around a value.
var callback = regexp.MustCompile(`^\s*(?:/\*\*/)?\s*[\w$.\[\]]+\s*\(`)

func (d *document) value() any {
	if d.parsed {
		return d.json
	}
	d.parsed = true
	text := bytes.TrimPrefix(d.text, []byte("\uFEFF"))
	if at := callback.FindIndex(text); at != nil {
		text = bytes.TrimRight(text[at[1]:], " \t\r\n;")
		text = bytes.TrimSuffix(text, []byte(")"))
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	d.json = v
	return v
}

// messages returns the JSON-RPC answers in d, of which a batch has several.
func (d *document) messages() []message {
	if d.rpc != nil {
		return d.rpc
	}
	text := bytes.TrimLeft(d.text, " \t\r\n")
	if len(text) > 0 && text[0] == '[' {
		var raw []json.RawMessage
		_ = json.Unmarshal(text, &raw) // what is none has no messages
		for _, r := range raw {
			d.read(r)
		}
	} else {
		d.read(text)
	}
	if d.rpc == nil {
		d.rpc = []message{}
	}
	return d.rpc
}

func (d *document) read(text []byte) {
	var m message
	if json.Unmarshal(text, &m) == nil {
		d.rpc = append(d.rpc, m)
	}
}
