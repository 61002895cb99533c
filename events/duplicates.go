package events

import (
	"encoding/json"
	"fmt"
)

// noDuplicates rejects what decoders disagree on: a member that stands twice, at
// any depth, and an event with both forms of data.
func noDuplicates(data []byte) error {
	if !json.Valid(data) {
		return fmt.Errorf("the body is not one JSON value")
	}
	s := scanner{data: data}
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
	return nil
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
	_ = json.Unmarshal(s.data[from:s.at], &name) // valid: see noDuplicates
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
