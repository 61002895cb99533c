// Package redacttest writes secrets down in the ways that servers do, and looks
// for pieces of them in what a test has collected.
package redacttest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/redact"
)

// run is the length from which a piece of a secret is one.
const run = 8

// Encoding is a way to write a secret.
type Encoding struct {
	Name   string
	Encode func(string) string
	Lossy  bool // it cannot be undone, or only where nothing else was done
}

// Encodings are all the ways.
func Encodings() []Encoding { return slices.Concat(parts(), escapes(), packed()) }

// each writes every character in the format.
func each(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

// parts are the secret itself, or a part of it.
func parts() []Encoding {
	between := func(sep string) func(string) string {
		return func(s string) string { return strings.Join(strings.Split(s, ""), sep) }
	}
	first := func(n int) func(string) string {
		return func(s string) string { return s[:min(n, len(s))] + "..." }
	}
	return []Encoding{
		{Name: "as it is", Encode: func(s string) string { return s }},
		{Name: "lower case", Encode: strings.ToLower, Lossy: true},
		{Name: "upper case", Encode: strings.ToUpper, Lossy: true},
		{Name: "first 20 characters", Encode: first(20)},
		{Name: "first 12 characters", Encode: first(12), Lossy: true},
		{Name: "last 10 characters", Encode: func(s string) string { return "…" + s[max(len(s)-10, 0):] }, Lossy: true},
		{Name: "without its first three", Encode: func(s string) string { return "***" + s[3:] }, Lossy: true},
		{Name: "with a scheme", Encode: func(s string) string { return "Bearer " + s }},
		{Name: "backwards", Encode: backwards, Lossy: true},
		{Name: "blanks between", Encode: between(" ")},
		{Name: "line breaks between", Encode: between("\r\n")},
		{Name: "dots between", Encode: between(".")},
		{Name: "commas and quotes between", Encode: between(`","`)},
		{Name: "zero width spaces between", Encode: between("\u200b")},
		{Name: "two bytes a character", Encode: between("\x00")},
	}
}

func escapes() []Encoding {
	return []Encoding{
		{Name: "query escape", Encode: url.QueryEscape},
		{Name: "path escape", Encode: url.PathEscape},
		{Name: "percent, every character", Encode: each("%%%02x")},
		{Name: "percent, every character, twice", Encode: each("%%25%02X")},
		{Name: "percent u", Encode: each("%%u%04X")},
		{Name: "HTML", Encode: html.EscapeString},
		{Name: "HTML, decimal", Encode: each("&#%d;")},
		{Name: "HTML, decimal, no semicolon", Encode: each("&#%03d")},
		{Name: "HTML, hexadecimal", Encode: each("&#x%X;")},
		{Name: "HTML, padded", Encode: each("&#x%06x;")},
		{Name: "JSON", Encode: quoted},
		{Name: "JSON, every character", Encode: each(`\u%04x`)},
		{Name: "JSON in JSON", Encode: func(s string) string { return quoted(quoted(s)) }},
		{Name: "JavaScript, hexadecimal", Encode: each(`\x%02x`)},
		{Name: "JavaScript, braces", Encode: each(`\u{%x}`)},
		{Name: "octal", Encode: each(`\%03o`)},
		{Name: "Go", Encode: func(s string) string { return fmt.Sprintf("%q", s) }},
		{Name: "quoted-pairs", Encode: each(`\%c`)},
		{Name: "quoted-printable, every character", Encode: each("=%02X")},
		{Name: "quoted-printable, folded", Encode: quotedPrintable, Lossy: true},
	}
}

// packed are those in which a character of the secret is no character any more.
func packed() []Encoding {
	std, web := base64.StdEncoding, base64.RawURLEncoding
	shifted := func(e *base64.Encoding, before, after string) func(string) string {
		return func(s string) string { return e.EncodeToString([]byte(before + s + after)) }
	}
	return []Encoding{
		{Name: "hexadecimal", Encode: func(s string) string { return hex.EncodeToString([]byte(s)) }},
		{Name: "hexadecimal, upper case", Encode: each("%02X")},
		{Name: "hexadecimal, colons", Encode: each("%02x:")},
		{Name: "hexadecimal, 0x", Encode: each("0x%02x, ")},
		{Name: "hexadecimal, shifted", Encode: func(s string) string { return "f" + hex.EncodeToString([]byte(s)) }},
		{Name: "character codes", Encode: each("%d,")},
		{Name: "code points", Encode: each("U+%04X ")},
		{Name: "base64", Encode: shifted(std, "", "")},
		{Name: "base64, after one", Encode: shifted(std, "x", "")},
		{Name: "base64, after two", Encode: shifted(std, "xy", "")},
		{Name: "base64, of a user and it", Encode: shifted(std, "user:", "")},
		{Name: "base64, of a header", Encode: shifted(std, "Authorization: Bearer ", "\r\n")},
		{Name: "base64url", Encode: shifted(web, "", "")},
		{Name: "base64url, in JSON", Encode: shifted(web, `{"t":"`, `"}`)},
		{Name: "base64, lower case", Encode: func(s string) string { return strings.ToLower(std.EncodeToString([]byte("u:" + s))) }, Lossy: true},
		{Name: "base64, folded", Encode: func(s string) string { return folded(std.EncodeToString([]byte(s)), 10) }},
		{Name: "base64, escaped", Encode: func(s string) string { return url.QueryEscape(std.EncodeToString([]byte(s))) }},
		{Name: "base64, percent inside", Encode: func(s string) string { return std.EncodeToString([]byte(url.QueryEscape("u:" + s))) }},
		{Name: "base64, lower case inside", Encode: func(s string) string { return std.EncodeToString([]byte(strings.ToLower(s))) }, Lossy: true},
	}
}

// RequireNone fails the test where text holds eight characters in a row of the
// secret, or of what a lossless encoding makes of it.
func RequireNone(t *testing.T, text, secret, about string) {
	t.Helper()
	forms := []string{secret, hex.EncodeToString([]byte(secret)), backwards(secret)}
	for _, before := range []string{"", "x", "xy"} {
		e := base64.RawStdEncoding.EncodeToString([]byte(before + secret))
		forms = append(forms, e[(len(before)*8+5)/6:])
	}
	// What is before a mark and what is after it are no run together.
	text = strings.ReplaceAll(text, redact.Mark, "□")
	for _, s := range []string{strings.ToLower(text), letters(text)} {
		for i, form := range forms {
			form, width, step := strings.ToLower(form), run, 1
			if i == 1 { // two digits a character
				width, step = 2*run, 2
			}
			for at := 0; at+width <= len(form); at += step {
				if piece := form[at : at+width]; strings.Contains(s, piece) {
					require.Fail(t, "a piece of a secret is left", "%s: %q in %q", about, piece, text)
				}
			}
		}
	}
}

// letters is text in lower case without all the rest.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '□' {
			return r
		}
		return -1
	}, strings.ToLower(text))
}

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(b), `"`)
}

func quotedPrintable(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return folded(b.String(), 15)
}

func folded(s string, n int) string {
	var lines []string
	for len(s) > n {
		lines, s = append(lines, s[:n]), s[n:]
	}
	return strings.Join(append(lines, s), "\r\n")
}
