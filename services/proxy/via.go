package proxy

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// newVia names this process in the Via field of what it forwards (RFC 9110 section
// 7.6.3). The pseudonym is random: it tells nothing of the machine.
func newVia() string { return "1.1 authwatch-" + strings.ToLower(rand.Text()) }

// loops reports whether a request was forwarded by this very process.
func loops(h http.Header, via string) bool {
	for _, line := range h["Via"] {
		if via != "" && strings.Contains(line, via) {
			return true
		}
	}
	return false
}
