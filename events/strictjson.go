package events

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	var names members
	if err := s.object(&names, isAttributeName); err != nil {
		return err
	}
	if names.has("data") && names.has("data_base64") {
		return fmt.Errorf("data and data_base64 stand together")
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

func isAttributeName(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return string(name) == "data_base64"
		}
	}
	return len(name) > 0
}

func isAnyName([]byte) bool { return true }

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

// object collects the names of the object at hand.
func (s *scanner) object(names *members, allowed func(name []byte) bool) error {
	s.at++
	for s.next() != '}' {
		name := s.text()
		if !allowed(name) {
			return fmt.Errorf("%q is not the name of an attribute", CleanText(string(name), 64))
		}
		if !names.add(name) {
			return fmt.Errorf("the member %q stands twice", CleanText(string(name), 64))
		}
		if err := s.value(); err != nil {
			return err
		}
	}
	s.at++
	return nil
}

func (s *scanner) value() error {
	switch s.next() {
	case '{':
		var names members
		return s.object(&names, isAnyName)
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

// text is the string at hand, without its escapes. It shares memory with the
// message where it can: most names are looked at once.
func (s *scanner) text() []byte {
	from := s.at
	if !s.skip() {
		return s.data[from+1 : s.at-1]
	}
	var name string
	_ = json.Unmarshal(s.data[from:s.at], &name) // the text is valid JSON
	return []byte(name)
}

// members is a set of names: an array while it is small.
type members struct {
	few  [16][]byte
	n    int
	many map[string]struct{}
}

func (m *members) has(name string) bool {
	for _, n := range m.few[:m.n] {
		if string(n) == name {
			return true
		}
	}
	_, ok := m.many[name]
	return ok
}

// add reports whether name is new.
func (m *members) add(name []byte) bool {
	for _, n := range m.few[:m.n] {
		if bytes.Equal(n, name) {
			return false
		}
	}
	if m.n < len(m.few) {
		m.few[m.n] = name
		m.n++
		return true
	}
	if _, twice := m.many[string(name)]; twice {
		return false
	}
	if m.many == nil {
		m.many = map[string]struct{}{}
	}
	m.many[string(name)] = struct{}{}
	return true
}
