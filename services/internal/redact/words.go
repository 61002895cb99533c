package redact

import (
	"strings"
	"unicode/utf8"
)

// longWord is the length from which a word of somebody else's text is taken for
// a secret that nobody told us.
const longWord = 16

// LongWords hides the words of text that could be a secret: all long ones. It
// hides paths, addresses and the ids of requests too, which help little where
// nobody knows whether they are what they seem.
func LongWords(text string) string {
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if utf8.RuneCountInString(word) >= longWord {
			word = Mark
		}
		b.WriteString(word)
		_, n := utf8.DecodeRuneInString(text[end:])
		b.WriteString(text[end : end+n])
		text = text[end+n:]
	}
	return b.String()
}

func inWord(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"'(),;:<>[]{}|`, r)
}
