package tracker

import "strings"

const (
	// maxValues is how many values of one place in a path are told apart.
	maxValues = 16
	// maxPlaces bounds the memory: paths come from clients.
	maxPlaces = 256
)

// placeholder stands for any value. No segment of a path can be equal to it.
const placeholder = "/"

// shapes learns which segments of paths are identifiers.
type shapes struct {
	places map[string]map[string]bool // what precedes a segment → its values; nil: any
}

// of returns path with each identifier replaced. wider: a place has just got too
// many values, so that paths that had different shapes have one now.
func (s *shapes) of(path string) (shape string, wider bool) {
	var b strings.Builder
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		b.WriteByte('/')
		place := b.String()
		every, now := s.every(place, segment)
		wider = wider || now
		if every {
			segment = placeholder
		}
		b.WriteString(segment)
	}
	return b.String(), wider
}

// every reports whether all values of the place are one: segment is one of many.
// now: since this one.
func (s *shapes) every(place, segment string) (every, now bool) {
	if segment == "" {
		return false, false
	}
	if isIdentifier(segment) {
		return true, false
	}
	values, known := s.places[place]
	switch {
	case known && values == nil:
		return true, false
	case values[segment]:
		return false, false
	case len(values) >= maxValues:
		s.places[place] = nil
		return true, true
	case !known && len(s.places) >= maxPlaces:
		return false, false
	case !known:
		if s.places == nil {
			s.places = map[string]map[string]bool{}
		}
		values = map[string]bool{}
		s.places[place] = values
	}
	values[segment] = true
	return false, false
}

// isIdentifier recognises numbers, UUIDs, and long hexadecimal or base64-like
// values.
func isIdentifier(segment string) bool {
	digits, hex, lower, upper := 0, 0, 0, 0
	for _, c := range []byte(segment) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			lower++
		case c >= 'A' && c <= 'Z':
			upper++
		case c != '-' && c != '_' && c != '=' && c != '.' && c != '~':
			return false
		}
		if c|0x20 >= 'a' && c|0x20 <= 'f' {
			hex++
		}
	}
	letters := lower + upper
	switch {
	case digits == len(segment):
		return true
	case digits > 0 && hex == letters && digits+hex >= 8:
		return true
	case len(segment) < 16 || letters < 3:
		return false
	}
	return digits >= 3 || digits == 2 && lower > 0 && upper > 0
}
