package credential

import (
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// explain returns f's detail with what the other side said, bounded and without
// secrets. They go before anything is cut off: half of one would not be found.
func (s *Source) explain(f *failure) string {
	said := events.CleanText(mask(s.Redact(f.said)), 200)
	if said == "" {
		return f.detail
	}
	return f.detail + ": " + said
}

// redact replaces each secret in text. What is shorter than any token is left
// alone: it would be found everywhere.
func redact(text string, secrets ...config.Secret) string {
	for _, secret := range secrets {
		if v := secret.Reveal(); len(v) >= 6 {
			text = strings.ReplaceAll(text, v, secret.String())
		}
	}
	return text
}

// mask hides the words of somebody else's text that could be a secret: long ones
// with a digit in them. It hides ids of requests too, which differ every time.
func mask(line string) string {
	var b strings.Builder
	for len(line) > 0 {
		end := strings.IndexFunc(line, func(r rune) bool { return !inSecret(r) })
		if end < 0 {
			end = len(line)
		}
		word := line[:end]
		if len(word) >= 16 && strings.ContainsAny(word, "0123456789") {
			word = "<redacted>"
		}
		b.WriteString(word)
		next := end
		for next < len(line) && !inSecret(rune(line[next])) {
			next++
		}
		b.WriteString(line[end:next])
		line = line[next:]
	}
	return b.String()
}

func inSecret(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"'(),;:<>[]{}|`, r)
}
