package forward

import "strings"

// Climbs reports whether dot segments, in any encoding, lead above the start of
// rest. The credential is only for what is below it.
func Climbs(rest string) bool {
	if !strings.Contains(rest, "..") && !strings.ContainsRune(rest, '%') {
		return false
	}
	p := rest
	for range 3 { // some servers decode twice, behind a gateway that does
		p = lenient(p)
	}
	depth := 0
	for seg := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		switch meant(seg) {
		case ".", "":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// meant is a segment as some servers read it: without parameters, without what
// comes after a NUL, and without white space around it.
func meant(segment string) string {
	if i := strings.IndexAny(segment, ";?#\x00"); i >= 0 {
		segment = segment[:i]
	}
	return strings.TrimFunc(segment, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// overlong are dots and slashes in more bytes than UTF-8 needs, which old decoders
// take.
var overlong = strings.NewReplacer("\xc0\xae", ".", "\xe0\x80\xae", ".", "\xc0\xaf", "/", "\xe0\x80\xaf", "/", "\xc1\x9c", "\\")

// lenient decodes what can be decoded, and leaves the rest: one escape that is
// none must not hide the others.
func lenient(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, n := unescape(s[i:])
		b.WriteByte(c)
		i += n - 1
	}
	return overlong.Replace(b.String())
}

// unescape reads the first byte of s, which may be written %2e or, as old servers
// take it, %u002e.
func unescape(s string) (c byte, n int) {
	if s[0] != '%' {
		return s[0], 1
	}
	start := 1
	if len(s) >= 6 && s[1]|0x20 == 'u' && s[2:4] == "00" {
		start = 4
	}
	if len(s) < start+2 {
		return s[0], 1
	}
	high, low := hexDigit(s[start]), hexDigit(s[start+1])
	if high < 0 || low < 0 {
		return s[0], 1
	}
	return byte(high<<4 | low), start + 2
}

func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }
