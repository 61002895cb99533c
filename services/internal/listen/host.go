package listen

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Hosts are the names that a listener answers to. Without this check a web page
// anywhere can let its own name resolve to an address of this machine and read
// what is served there (DNS rebinding).
type Hosts struct {
	Listen  string   // the address of the listener: HOST:PORT
	Allowed []string // "*" is any name, "*.example.com" any below; without a port, every port
}

// Allow reports whether a Host header is one of the listener's: a loopback name,
// the listener's own, one of Allowed, or any IP address if the listener is on all
// addresses. An address cannot be rebound, only a name.
func (h Hosts) Allow(hostport string) bool {
	if h.Own(hostport) {
		return true
	}
	name := nameOf(hostport)
	if _, err := netip.ParseAddr(name); err == nil && unspecified(nameOf(h.Listen)) {
		return true
	}
	return slices.ContainsFunc(h.Allowed, func(pattern string) bool { return match(pattern, name, hostport) })
}

// Own reports whether hostport is a loopback name or the listener's own.
func (h Hosts) Own(hostport string) bool {
	name, own := nameOf(hostport), nameOf(h.Listen)
	return loopback(name) || !unspecified(own) && strings.EqualFold(own, name)
}

// Handler passes requests for these hosts on to next; refuse answers the others.
func (h Hosts) Handler(next, refuse http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Allow(r.Host) {
			refuse(w, r)
			return
		}
		next(w, r)
	})
}

// Loopback reports whether only this machine reaches the address HOST:PORT.
func Loopback(address string) bool { return loopback(nameOf(address)) }

func match(pattern, name, hostport string) bool {
	if pattern == "*" || strings.EqualFold(pattern, name) || strings.EqualFold(pattern, hostport) {
		return true
	}
	suffix, ok := strings.CutPrefix(pattern, "*")
	return ok && strings.HasPrefix(suffix, ".") && len(name) > len(suffix) &&
		strings.EqualFold(name[len(name)-len(suffix):], suffix)
}

// nameOf returns the host of host, host:port, [v6] or [v6]:port.
func nameOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]"), ".")
}

// loopback includes the names below localhost (RFC 6761, section 6.3).
func loopback(name string) bool {
	if name = strings.ToLower(name); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

func unspecified(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "" || err == nil && ip.IsUnspecified()
}
