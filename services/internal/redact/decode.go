package redact

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shortestPacked is how many characters of base64 or hexadecimal in a row are
// worth undoing.
const shortestPacked = 8

// packed undoes an encoding in which each character stands for some bits, after
// the first skip characters of every run. Blanks, line breaks and backslashes in
// between are passed over.
func (v *view) packed(value func(byte) int, bits, skip int) (d *view, news bool) {
	d = &view{}
	run := make([]int, 0, len(v.bytes)) // where its characters are
	flush := func() {
		if len(run) >= shortestPacked+skip {
			d.grow(len(run)*bits/8 + 1)
			d.unpack(v, run[skip:], value, bits)
			d.separate()
		}
		run = run[:0]
	}
	for i, c := range v.bytes {
		switch {
		case v.from[i] < 0:
			flush()
		case value(c) >= 0:
			run = append(run, i)
		case c > ' ' && c != '\\':
			flush()
		}
	}
	flush()
	return d, true
}

func (v *view) unpack(from *view, run []int, value func(byte) int, bits int) {
	var acc, have int
	first := run[0]
	for _, i := range run {
		if have == 0 {
			first = i
		}
		acc, have = acc<<bits|value(from.bytes[i]), have+bits
		if have < 8 {
			continue
		}
		have -= 8
		v.add(byte(acc>>have), from.from[first], from.to[i])
		acc &= 1<<have - 1
		first = i
	}
}

func base64Value(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+', c == '-':
		return 62
	case c == '/', c == '_':
		return 63
	}
	return -1
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// codes reads numbers such as "103, 104, 112" as the characters they stand for.
func (v *view) codes() (d *view, news bool) {
	d = &view{}
	for i := 0; i < len(v.bytes); i++ {
		c := v.bytes[i]
		switch {
		case v.from[i] < 0, isAlnum(c) && (c < '0' || c > '9'):
			d.separate()
			continue
		case c < '0' || c > '9':
			continue
		}
		start, code := i, 0
		for ; i < len(v.bytes) && v.bytes[i] >= '0' && v.bytes[i] <= '9'; i++ {
			code = min(code*10+int(v.bytes[i]-'0'), 1000)
		}
		if i--; code > ' ' && code < utf8.RuneSelf {
			d.add(byte(code), v.from[start], v.to[i])
		} else {
			d.separate()
		}
	}
	return d, len(d.bytes) >= run
}

// unescaped undoes what read recognises; news says whether there was anything.
func (v *view) unescaped(read func(rest string) (plain string, n int)) (d *view, news bool) {
	text, done := string(v.bytes), 0
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(`%\&=0Uu`, text[i]) < 0 {
			continue
		}
		plain, n := read(text[i:])
		if n == 0 {
			continue
		}
		if d == nil {
			d = sized(len(text))
		}
		d.copy(v, done, i)
		for k := range len(plain) {
			d.add(plain[k], v.from[i], v.to[i+n-1])
		}
		done = i + n
		i = done - 1
	}
	if d == nil {
		return nil, false
	}
	d.copy(v, done, len(text))
	return d, true
}

// escape reads one escape of URLs, HTML, JSON or of a quoted string.
func escape(rest string) (plain string, n int) {
	if len(rest) < 2 {
		return "", 0
	}
	switch {
	case rest[0] == '%' && rest[1]|0x20 == 'u':
		return coded(rest, 2, 4, 16)
	case rest[0] == '%':
		return coded(rest, 1, 2, 16)
	case rest[0] == '&' && rest[1] == '#':
		return reference(rest)
	case rest[0] == '&':
		end := strings.IndexByte(rest[:min(len(rest), longestName)], ';') + 1
		if plain := html.UnescapeString(rest[:end]); plain != rest[:end] {
			return plain, end
		}
		return "", 0
	case rest[0] == '\\':
		return backslash(rest)
	}
	return "", 0
}

// longestName is of the named characters of HTML.
const longestName = 34

// reference reads a numbered character of HTML; its semicolon is often left out.
func reference(rest string) (plain string, n int) {
	start, base := 2, 10
	if len(rest) > 2 && rest[2]|0x20 == 'x' {
		start, base = 3, 16
	}
	end := start
	for end < len(rest) && end < start+8 && hexValue(rest[end]) >= 0 && hexValue(rest[end]) < base {
		end++
	}
	if plain, n = coded(rest, start, end-start, base); n > 0 && n < len(rest) && rest[n] == ';' {
		n++
	}
	return plain, n
}

func backslash(rest string) (plain string, n int) {
	switch c := rest[1]; c {
	case 'u', 'x':
		if len(rest) > 3 && rest[2] == '{' {
			end := strings.IndexByte(rest[:min(len(rest), 16)], '}')
			if plain, n = coded(rest, 3, end-3, 16); n > 0 {
				return plain, end + 1
			}
			return "", 0
		}
		if c == 'u' {
			return coded(rest, 2, 4, 16)
		}
		return coded(rest, 2, 2, 16)
	case 'U':
		return coded(rest, 2, 8, 16)
	case 'n', 'r', 't', 'b', 'f':
		return " ", 2
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return coded(rest, 1, 3, 8)
	}
	return rest[1:2], 2
}

// byteEscape reads =41, 0x41 and U+0041.
func byteEscape(rest string) (plain string, n int) {
	switch {
	case rest[0] == '=':
		return coded(rest, 1, 2, 16)
	case strings.HasPrefix(rest, "0x"), strings.HasPrefix(rest, "0X"):
		return coded(rest, 2, 2, 16)
	case strings.HasPrefix(rest, "U+"), strings.HasPrefix(rest, "u+"):
		return coded(rest, 2, 4, 16)
	}
	return "", 0
}

// coded reads the digits of a character's number, which begin at start.
func coded(rest string, start, digits, base int) (plain string, n int) {
	if digits < 1 || len(rest) < start+digits {
		return "", 0
	}
	code, err := strconv.ParseUint(rest[start:start+digits], base, 32)
	if err != nil || code > utf8.MaxRune {
		return "", 0
	}
	if code < utf8.RuneSelf || code <= 0xff && digits == 2 {
		return string([]byte{byte(code)}), start + digits
	}
	return string(rune(code)), start + digits
}
