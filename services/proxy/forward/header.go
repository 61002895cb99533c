package forward

import (
	"maps"
	"net/http"
	"net/textproto"
	"strings"
)

// stripRequest removes from h what ends at this hop (RFC 9110 section 7.6.1)
// and what describes the network between the client and here. It returns the
// protocol that the client wants to upgrade to.
//
// The map is the server's own: it was parsed for this request and nobody else
// reads it, so it goes upstream without a copy.
func stripRequest(h http.Header) (upgrade string) {
	if tokens, ok := h["Connection"]; ok {
		upgrade = upgradeOf(h, tokens)
		dropNominated(h, tokens)
		delete(h, "Connection")
	}
	for k, v := range h {
		switch k {
		case "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Transfer-Encoding", "Upgrade", "Forwarded":
			delete(h, k)
		case "Te":
			if hasToken(v, "trailers") {
				h[k] = trailersOnly
			} else {
				delete(h, k)
			}
		default:
			if strings.HasPrefix(k, "X-Forwarded-") {
				delete(h, k)
			}
		}
	}
	return upgrade
}

// attach puts the credential into h in place of what the client sent.
func attach(h, credential http.Header) {
	delete(h, "Authorization")
	delete(h, "Cookie")
	dropTwins(h, credential)
	maps.Copy(h, credential)
}

// dropTwins removes what many servers read as one of the credential's headers:
// X_API_Key for X-API-Key (RFC 3875 section 4.1.18).
func dropTwins(h, credential http.Header) {
	for k := range h {
		if strings.IndexByte(k, '_') >= 0 && credential[http.CanonicalHeaderKey(strings.ReplaceAll(k, "_", "-"))] != nil {
			delete(h, k)
		}
	}
}

var (
	trailersOnly = []string{"trailers"}
	chunked      = []string{"chunked"}
)

// upgradeOf knows one protocol. Others end at this hop: a tunnel of HTTP/2 would
// take requests past every check made here, and some clients offer TLS to
// everybody.
func upgradeOf(h http.Header, connection []string) string {
	if hasToken(connection, "upgrade") && hasToken(h["Upgrade"], "websocket") {
		return "websocket"
	}
	return ""
}

// dropForbidden removes the trailers that are no trailers (RFC 9110 section
// 6.5.1): what frames a message or ends at this hop, and what would look like a
// credential, or like the one that was attached.
func dropForbidden(trailer, credential http.Header) {
	for k := range trailer {
		if credential[k] != nil {
			delete(trailer, k)
			continue
		}
		switch k {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Transfer-Encoding",
			"Content-Length", "Content-Encoding", "Content-Type", "Content-Range", "Te", "Trailer", "Upgrade", "Http2-Settings",
			"Host", "Authorization", "Cookie", "Expect", "Max-Forwards", "Forwarded":
			delete(trailer, k)
		default:
			if strings.HasPrefix(k, "X-Forwarded-") {
				delete(trailer, k)
			}
		}
	}
	dropTwins(trailer, credential)
}

// copyAnswer puts what goes on to the client into dst. Values are shared with
// src, which nobody writes to any more.
func copyAnswer(dst, src http.Header) {
	if tokens, ok := src["Connection"]; ok {
		dropNominated(src, tokens)
	}
	for k, v := range src {
		switch k {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Upgrade":
		default:
			dst[k] = v
		}
	}
	if _, ok := src["Content-Type"]; !ok {
		dst["Content-Type"] = nil // else the server guesses one
	}
}

// dropNominated removes the fields that a Connection header names.
func dropNominated(h http.Header, connection []string) {
	for _, line := range connection {
		for token := range strings.SplitSeq(line, ",") {
			token = textproto.TrimString(token)
			if token == "" || strings.EqualFold(token, "close") || strings.EqualFold(token, "keep-alive") {
				continue
			}
			if strings.EqualFold(token, "te") || strings.EqualFold(token, "upgrade") {
				continue // handled by name
			}
			h.Del(token)
		}
	}
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if t, _, _ = strings.Cut(t, ";"); strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}
