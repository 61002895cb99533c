// Package guard decides whether a client may use the proxy at all: the tokens
// that clients have to show, and the Host and Origin checks against DNS
// rebinding. None of its refusals says anything about an upstream.
package guard

import (
	"net/http"
	"net/url"
	"slices"
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

// Readable reports whether the page that sent the request may read why: its host
// and Origin were not the reason.
func (r *Refusal) Readable() bool { return r.Reason != ReasonHost && r.Reason != ReasonOrigin }

// Check returns nil when the request may go on. With passthrough the client's
// Authorization belongs to the upstream, and its own token is in
// Proxy-Authorization.
func (g *Guard) Check(r *http.Request, passthrough bool) *Refusal {
	switch {
	case !g.hosts().Allow(r.Host):
		return &Refusal{http.StatusForbidden, ReasonHost, "this Host is not served here; add it to proxy.allowed_hosts"}
	case !g.originAllowed(r.Header["Origin"]):
		return &Refusal{http.StatusForbidden, ReasonOrigin, "this Origin may not use the proxy; add it to proxy.allowed_origins"}
	case len(r.Header["Origin"]) == 0 && !g.siteAllowed(r):
		return &Refusal{http.StatusForbidden, ReasonOrigin, "a page of another site may not use the proxy; add its Origin to proxy.allowed_origins"}
	case slices.ContainsFunc(refusedMethods, func(m string) bool { return strings.EqualFold(m, r.Method) }):
		return &Refusal{http.StatusMethodNotAllowed, ReasonMethod, r.Method + " is not forwarded"}
	case g.Clients != nil && !IsPreflight(r) && !g.Clients.Allow(r.Header, passthrough):
		return &Refusal{http.StatusUnauthorized, ReasonClient, "the proxy wants a bearer token of its own (proxy.client_auth)"}
	}
	return nil
}

// refusedMethods are not forwarded, in any case: servers may not look at it. An
// answer to TRACE, or TRACK, would carry the credential back to the client; CONNECT
// and PRI begin something else than a request.
var refusedMethods = []string{http.MethodTrace, "TRACK", "DEBUG", http.MethodConnect, "PRI"}

// siteAllowed judges requests without Origin by what a browser says of the page
// that they come from (Fetch Metadata): links, images and forms have none.
func (g *Guard) siteAllowed(r *http.Request) bool {
	for _, v := range r.Header["Sec-Fetch-Site"] {
		switch site := strings.ToLower(strings.TrimSpace(v)); {
		case slices.Contains(g.Origins, "*"):
		case site == "cross-site", site == "same-site" && !listen.Loopback(r.Host):
			return false
		}
	}
	return true
}

// IsPreflight reports whether r is a browser's question whether a page may send a
// request. It never carries a credential (Fetch, CORS-preflight fetch).
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) == 1 && len(r.Header["Access-Control-Request-Method"]) == 1
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
