package receiver

import "strings"

// escapeMarkdown puts a backslash before each of the special characters, and
// before what begins a list at the beginning of a line.
func escapeMarkdown(text, special string) string {
	var b strings.Builder
	begins, digits := true, false // of a line; only digits since then
	for _, r := range text {
		list := begins && (r == '-' || r == '+') || digits && (r == '.' || r == ')')
		if list || strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		digit := r >= '0' && r <= '9'
		digits = digit && (begins || digits)
		begins = r == '\n' || begins && r == ' '
	}
	return b.String()
}
