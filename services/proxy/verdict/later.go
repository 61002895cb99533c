package verdict

import (
	"net/http"
	"strings"
)

// Later reports whether an answer says that the same request may be made later:
// by Retry-After (RFC 9110 section 10.2.3), or because nothing of a quota is
// left, in any of the spellings of the RateLimit fields.
func Later(h http.Header) bool {
	if h.Get("Retry-After") != "" {
		return true
	}
	for _, name := range []string{"Ratelimit-Remaining", "X-Ratelimit-Remaining", "X-Rate-Limit-Remaining"} {
		if left, _, _ := strings.Cut(h.Get(name), ","); strings.TrimSpace(left) == "0" {
			return true
		}
	}
	for _, field := range h["Ratelimit"] {
		for part := range strings.FieldsFuncSeq(field, func(r rune) bool { return r == ';' || r == ',' }) {
			name, left, _ := strings.Cut(part, "=")
			if name = strings.ToLower(strings.TrimSpace(name)); (name == "r" || name == "remaining") && strings.TrimSpace(left) == "0" {
				return true
			}
		}
	}
	return false
}
