package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/authwatch/authwatch/events"
)

const (
	scheme   = "Bearer "
	maxToken = 16 << 10 // more than servers take in one header field
)

// Check says what is wrong with a token, as one of the Problem constants of
// package events and in words that do not repeat it. Both are empty for a token
// that can be sent.
func Check(token string) (problem, detail string) {
	wrong := func(detail string) (string, string) { return events.ProblemMalformed, detail }
	switch {
	case token == "":
		return events.ProblemEmpty, "it is empty"
	case len(token) > maxToken:
		return wrong(fmt.Sprintf("it is longer than %d bytes", maxToken))
	case strings.Contains(token, "${") && strings.Contains(token, "}"):
		return wrong("it contains a literal ${…}; the variable was never filled in")
	case hasFold(token, "authorization:"):
		return wrong("it is a whole header line; the bare token is enough")
	case hasFold(token, scheme):
		return wrong(`it starts with "Bearer " twice`)
	case strings.ContainsAny(token, "\r\n"):
		return wrong("it has more than one line")
	case strings.ContainsAny(token, " \t"):
		return wrong("it contains white space")
	case len(token) > 1 && token[0] == token[len(token)-1] && strings.ContainsRune(`"'`, rune(token[0])):
		return wrong("it is in quotation marks")
	}
	for i := range len(token) {
		switch c := token[i]; {
		case c < ' ' || c == 0x7f:
			return wrong("it contains a control character")
		case c > 0x7f:
			return wrong("it contains a character outside ASCII")
		}
	}
	return "", ""
}

// cleanToken takes from raw what is not part of the token: a byte order mark, the
// final line break, and one "Bearer " in front, which people copy along.
func cleanToken(raw string) string {
	token := strings.TrimPrefix(raw, "\uFEFF")
	token = strings.TrimRight(token, "\r\n")
	if hasFold(token, scheme) {
		token = strings.TrimLeft(token[len(scheme):], " ")
	}
	return token
}

// Fingerprint returns 12 hexadecimal digits that stand for the token: the same
// ones on every machine. The key only separates the domain; what protects the
// token is its own randomness.
func Fingerprint(token string) string {
	mac := hmac.New(sha256.New, []byte("authwatch credential fingerprint v1"))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
