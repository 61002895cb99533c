// Package guard decides whether a client may use the proxy at all: the tokens
// that clients have to show, and the Host and Origin checks against DNS
// rebinding. None of its refusals says anything about an upstream.
package guard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/authwatch/authwatch/services/internal/listen"
)

// Guard checks the requests of one listener.
type Guard struct {
	// Listen is the listener's address; its host may be asked for.
	Listen string
	// Hosts and Origins may be asked for too. "*" allows any, "*.example.com"
	// any name below; an entry without a port allows every port.
	Hosts   []string
	Origins []string
	// Clients are the tokens that clients have to show; nil: none needed.
	Clients *Tokens
}

// Reason is why a request is refused: the values are few, for metrics.
type Reason string

// The reasons.
const (
	ReasonHost   Reason = "host"
	ReasonOrigin Reason = "origin"
	ReasonClient Reason = "client_auth"
	ReasonMethod Reason = "method"
)

// Refusal is an answer of the proxy's own.
type Refusal struct {
	Status int
	Reason Reason
	Text   string
}

// Check returns nil when the request may go on. With passthrough the client's
// Authorization belongs to the upstream, and its own token is in
// Proxy-Authorization.
func (g *Guard) Check(r *http.Request, passthrough bool) *Refusal {
	switch {
	case !g.hosts().Allow(r.Host):
		return &Refusal{http.StatusForbidden, ReasonHost, "this Host is not served here; add it to proxy.allowed_hosts"}
	case !g.originAllowed(r.Header["Origin"]):
		return &Refusal{http.StatusForbidden, ReasonOrigin, "this Origin may not use the proxy; add it to proxy.allowed_origins"}
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		// A TRACE answer would carry the workload's token back to the client.
		return &Refusal{http.StatusMethodNotAllowed, ReasonMethod, r.Method + " is not forwarded"}
	case g.Clients != nil && !g.Clients.Allow(r.Header, passthrough):
		return &Refusal{http.StatusUnauthorized, ReasonClient, "the proxy wants a bearer token of its own (proxy.client_auth)"}
	}
	return nil
}

func (g *Guard) hosts() listen.Hosts { return listen.Hosts{Listen: g.Listen, Allowed: g.Hosts} }

func (g *Guard) originAllowed(values []string) bool {
	for _, v := range values {
		if !g.oneOriginAllowed(v) {
			return false
		}
	}
	return true
}

func (g *Guard) oneOriginAllowed(origin string) bool {
	for _, o := range g.Origins {
		if o == "*" || strings.EqualFold(o, origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return false // "null" among them
	}
	return g.hosts().Own(u.Host)
}
