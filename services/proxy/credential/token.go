package credential

import (
	"cmp"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/authwatch/authwatch/events"
)

const maxToken = 16 << 10 // more than servers take in one header field

// checkAny says what is wrong with a token or a password, as one of the Problem
// constants of package events and in words that do not repeat it. Both are empty
// for one that can be sent.
func checkAny(secret string) (problem, detail string) {
	switch {
	case secret == "":
		return events.ProblemEmpty, "it is empty"
	case len(secret) > maxToken:
		return wrong(fmt.Sprintf("it is longer than %d bytes", maxToken))
	case strings.Contains(secret, "${") && strings.Contains(secret, "}"):
		return wrong("it contains a literal ${…}; the variable was never filled in")
	case hasFold(secret, authorization+":"):
		return wrong("it is a whole header line; the bare token is enough")
	}
	return "", ""
}

func wrong(detail string) (problem, text string) { return events.ProblemMalformed, detail }

// checkToken is checkAny for what is sent as it is, after prefix.
func checkToken(token, prefix string) (problem, detail string) {
	if problem, detail = checkAny(token); problem != "" {
		return problem, detail
	}
	switch twice := cmp.Or(prefix, bearer+" "); {
	case strings.HasSuffix(twice, " ") && hasFold(token, twice):
		return wrong(fmt.Sprintf("it starts with %q twice", twice))
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

// checkPassword is checkAny for a password, in which almost everything may stand
// (RFC 7617 section 2).
func checkPassword(password string) (problem, detail string) {
	if problem, detail = checkAny(password); problem != "" {
		return problem, detail
	}
	switch {
	case hasFold(password, basic+" "), hasFold(password, bearer+" "):
		return wrong("it is the value of a header; the bare password is enough")
	case strings.ContainsAny(password, "\r\n"):
		return wrong("it has more than one line")
	case strings.ContainsFunc(password, isControl):
		return wrong("it contains a control character")
	case !utf8.ValidString(password):
		return wrong("it is not UTF-8")
	}
	return "", ""
}

// cleanToken takes from raw what is not part of the token: a byte order mark, the
// final line break, and once what is sent in front of it, "Bearer " where that is
// nothing: people copy it along.
func cleanToken(raw, prefix string) string {
	token := strings.TrimPrefix(raw, "\uFEFF")
	token = strings.TrimRight(token, "\r\n")
	if once := cmp.Or(prefix, bearer+" "); hasFold(token, once) {
		token = strings.TrimLeft(token[len(once):], " ")
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

// fingerprintSteps make each guess at a password cost some hundredths of a second:
// unlike a token it may be a word.
const fingerprintSteps = 100_000

// fingerprint stands for all that is attached.
func (a *attached) fingerprint() string {
	all := strings.Join(a.parts, "\x00")
	if a.hidden == nil {
		return Fingerprint(all)
	}
	key, err := pbkdf2.Key(sha256.New, all, []byte("authwatch credential fingerprint v1 "+a.user), fingerprintSteps, sha256.Size)
	if err != nil {
		return "" // only for a salt or a size that FIPS 140 does not allow
	}
	return Fingerprint(string(key))
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
