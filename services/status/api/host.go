package api

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// CheckHost refuses requests whose Host is not a loopback name when the listener
// is on a loopback address: a web page elsewhere may have its own name resolve to
// 127.0.0.1 and read what is served here (DNS rebinding). Other listeners are
// reached by names that only their operator knows.
func CheckHost(listen string, allowed []string, next http.Handler) http.Handler {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || !loopback(host) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := hostname(r.Host)
		if !loopback(name) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) {
			Problem(w, http.StatusForbidden, "this address is served to loopback names only; add the name to status.allowed_hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// answerWithin bounds the sending of an answer. The feed sets its own deadlines.
const answerWithin = time.Minute

// Bound ends connections of clients that do not read their answer.
func Bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin)) // not of a recorder in a test
		next.ServeHTTP(w, r)
	})
}
