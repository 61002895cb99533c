package credential

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// reserved headers mean something to each hop, describe the message, or are the
// client's business: a secret has no place in them.
var reserved = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Host", "Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Expect", "Date", "Via",
	"Forwarded", "Origin", "Referer", "Range", "User-Agent", "Accept", "Accept-Encoding", "Traceparent", "Tracestate", "Last-Event-Id",
}

var reservedPrefixes = []string{"X-Forwarded-", "Sec-", "Mcp-", "Access-Control-", "If-"}

// validateHeaders returns what is wrong with where the credential is put.
func (c *Config) validateHeaders() []config.Problem {
	var p []config.Problem
	seen := map[string]string{}
	add := func(path, name string) {
		if text := wrongHeader(name); text != "" {
			p = append(p, problem(path, "%s", text))
		} else if other, ok := seen[sameHeader(name)]; ok {
			p = append(p, problem(path, "%s is already set by %s; a header has one value", http.CanonicalHeaderKey(name), other))
		} else {
			seen[sameHeader(name)] = path
		}
	}
	source := c.source()
	switch {
	case c.Basic != nil:
		p = append(p, c.Basic.validate()...)
		add("basic", authorization)
		for key, set := range map[string]bool{"header": c.Header != "", "prefix": c.Prefix != nil} {
			if set {
				p = append(p, problem(key, "is not used: basic is sent as Authorization: Basic"))
			}
		}
	case c.Header != "":
		add("header", c.Header)
	case source != "":
		add(source, authorization)
	}
	if source == "" && len(c.Headers) > 0 && (c.Header != "" || c.Prefix != nil) {
		p = append(p, problem("header", "there is no token to send in it: give bearer_token_file, or write it in headers with a value"))
	}
	p = append(p, wrongPrefix("prefix", c.Prefix)...)
	for i := range c.Headers {
		h, at := &c.Headers[i], fmt.Sprintf("headers[%d]", i)
		add(at+".name", h.Name)
		p = append(p, wrongPrefix(at+".prefix", h.Prefix)...)
		switch {
		case h.Value != "" && h.ValueFile != "":
			p = append(p, problem(at+".value", "is given both as a value and as a file; keep one"))
		case !h.own() && (source == "" || c.Basic != nil):
			p = append(p, problem(at+".value_file", "is required: there is no token to send in this header"))
		}
	}
	return p
}

func (b *Basic) validate() []config.Problem {
	var p []config.Problem
	switch {
	case b.Username == "":
		p = append(p, problem("basic.username", "is required"))
	case strings.Contains(b.Username, ":"):
		p = append(p, problem("basic.username", "contains a colon, which would end it (RFC 7617)"))
	case strings.Contains(b.Username, "${") && strings.Contains(b.Username, "}"):
		p = append(p, problem("basic.username", "contains a literal ${…}; write ${env:NAME} for a variable"))
	case strings.ContainsFunc(b.Username, isControl):
		p = append(p, problem("basic.username", "contains a control character"))
	}
	switch {
	case b.Password != "" && b.PasswordFile != "":
		p = append(p, problem("basic.password", "is given both as a value and as a file; keep one"))
	case b.Password == "" && b.PasswordFile == "":
		p = append(p, problem("basic.password_file", "is required, or password"))
	}
	return p
}

// wrongHeader says why a credential cannot be sent in the header.
func wrongHeader(name string) string {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case name == "":
		return "is required: the name of a header, as X-API-Key"
	case strings.HasSuffix(name, ":"):
		return fmt.Sprintf("%q ends with a colon; write the name alone", name)
	case strings.ContainsFunc(name, func(r rune) bool { return !isTokenChar(r) }):
		return fmt.Sprintf("%q is not the name of a header; write it as X-API-Key", name)
	case slices.Contains(reserved, canonical),
		slices.ContainsFunc(reservedPrefixes, func(prefix string) bool { return strings.HasPrefix(canonical, prefix) }):
		return canonical + " cannot carry a credential: HTTP or the client needs it for something else"
	}
	return ""
}

func wrongPrefix(path string, prefix *string) []config.Problem {
	switch {
	case prefix == nil:
		return nil
	case strings.Contains(*prefix, "${") && strings.Contains(*prefix, "}"):
		return []config.Problem{problem(path, "contains a literal ${…}; write ${env:NAME} for a variable")}
	case strings.ContainsFunc(*prefix, func(r rune) bool { return isControl(r) || r > '~' }):
		return []config.Problem{problem(path, "contains a character that a header cannot carry")}
	}
	return nil
}

// sameHeader is equal for names that servers may take for one: many make a
// variable of a header's name, and a - a _ on the way (RFC 3875 section 4.1.18).
func sameHeader(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// isTokenChar is of RFC 9110 section 5.6.2.
func isTokenChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r) && r < 0x7f
}
