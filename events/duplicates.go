package events

import (
	"encoding/json"
	"fmt"
	"iter"
)

// checkEnvelope rejects what decoders disagree on: a member that stands twice, at
// any depth, both forms of data, and an attribute that is not named as
// CloudEvents 1.0 section 3 asks. The SDK stops reading at an empty name.
func checkEnvelope(body []byte) error {
	if !json.Valid(body) {
		return fmt.Errorf("the body is not one JSON value")
	}
	s := scanner{data: body}
	if s.next() != '{' {
		return fmt.Errorf("the body is not a JSON object")
	}
	names, err := s.object()
	if err != nil {
		return err
	}
	if names.has("data") && names.has("data_base64") {
		return fmt.Errorf("data and data_base64 stand together")
	}
	for name := range names.all() {
		if name != "data_base64" && !isAttributeName(name) {
			return fmt.Errorf("%q is not the name of an attribute", CleanText(name, 64))
		}
	}
	return nil
}

// checkData is checkEnvelope for data that did not stand in the envelope as JSON.
func checkData(data []byte) error {
	if !json.Valid(data) {
		return fmt.Errorf("data is not JSON")
	}
	s := scanner{data: data}
	return s.value()
}

func isAttributeName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// A scanner walks over text that is known to be valid JSON.
type scanner struct {
	data []byte
	at   int
}

// next is the next byte that is not white space, a comma or a colon; it stays
// the next one.
func (s *scanner) next() byte {
	for {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			s.at++
		default:
			return c
		}
	}
}

func (s *scanner) object() (members, error) {
	var m members
	s.at++
	for s.next() != '}' {
		if name := s.text(); !m.add(name) {
			return m, fmt.Errorf("the member %q stands twice", CleanText(name, 64))
		}
		if err := s.value(); err != nil {
			return m, err
		}
	}
	s.at++
	return m, nil
}

func (s *scanner) value() error {
	switch s.next() {
	case '{':
		_, err := s.object()
		return err
	case '[':
		s.at++
		for s.next() != ']' {
			if err := s.value(); err != nil {
				return err
			}
		}
		s.at++
	case '"':
		s.skip()
	default: // a number, true, false, null
		for s.at < len(s.data) && isLiteral(s.data[s.at]) {
			s.at++
		}
	}
	return nil
}

func isLiteral(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// skip moves behind a string and reports whether it holds an escape.
func (s *scanner) skip() (escaped bool) {
	for s.at++; s.data[s.at] != '"'; s.at++ {
		if s.data[s.at] == '\\' {
			escaped = true
			s.at++
		}
	}
	s.at++
	return escaped
}

func (s *scanner) text() string {
	from := s.at
	if !s.skip() {
		return string(s.data[from+1 : s.at-1])
	}
	var name string
	_ = json.Unmarshal(s.data[from:s.at], &name) // the text is valid JSON
	return name
}

// members is a set of names: a slice while it is small.
type members struct {
	few  []string
	many map[string]struct{}
}

func (m *members) has(name string) bool {
	for _, n := range m.few {
		if n == name {
			return true
		}
	}
	_, ok := m.many[name]
	return ok
}

func (m *members) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, n := range m.few {
			if !yield(n) {
				return
			}
		}
		for n := range m.many {
			if !yield(n) {
				return
			}
		}
	}
}

func (m *members) add(name string) bool {
	if m.has(name) {
		return false
	}
	if len(m.few) < 16 {
		m.few = append(m.few, name)
		return true
	}
	if m.many == nil {
		m.many = map[string]struct{}{}
	}
	m.many[name] = struct{}{}
	return true
}
