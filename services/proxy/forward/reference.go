package forward

import (
	"net/http"
	"net/url"
	"strings"
)

// Local translates a reference that the upstream sent in answer to a request
// for from (a Location, the endpoint of the legacy transport) into one that
// leads through the proxy. A reference outside the base becomes an absolute URL,
// so that it still means the same. None contains the upstream's own query.
func (t Target) Local(from *url.URL, ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return t.foreign(ref)
	}
	if t.mount == "" && t.prefix == "" && u.Host == "" && t.base.RawQuery == "" {
		return ref // the paths are the same on both sides
	}
	abs := from.ResolveReference(u)
	if !t.ours(from, abs) {
		return t.foreign(ref)
	}
	local, ok := t.localPath(abs.EscapedPath())
	if !ok {
		abs.RawQuery = t.withoutOwn(abs.RawQuery)
		abs.ForceQuery = false
		return abs.String()
	}
	return local + t.suffix(abs)
}

// localize makes the references in the headers of an answer to a request for from
// lead through the proxy.
func (t Target) localize(h http.Header, from *url.URL) {
	for _, name := range [...]string{"Location", "Content-Location"} {
		if values, ok := h[name]; ok {
			h[name] = make([]string, len(values))
			for i, v := range values {
				h[name][i] = t.Local(from, v)
			}
		}
	}
	own := t.base.RawQuery
	if own == "" {
		return
	}
	hide := strings.NewReplacer("?"+own+"&", "?", "?"+own, "", "&"+own, "")
	for _, name := range [...]string{"Link", "Refresh"} {
		if values, ok := h[name]; ok {
			h[name] = make([]string, len(values))
			for i, v := range values {
				h[name][i] = hide.Replace(v)
			}
		}
	}
}

// suffix is what follows the path in a reference to u.
func (t Target) suffix(u *url.URL) string {
	var s string
	if query := t.withoutOwn(u.RawQuery); query != "" || u.ForceQuery {
		s = "?" + query
	}
	if f := u.EscapedFragment(); f != "" {
		s += "#" + f
	}
	return s
}

// ours reports whether abs, sent in answer to a request for from, is of the
// upstream. Many servers behind a gateway that ends TLS name themselves http: such
// a reference comes back here, and the upstream's scheme is kept. Not one to
// exactly what was asked for: it would lead here again and again.
func (t Target) ours(from, abs *url.URL) bool {
	if abs.Scheme != "http" && abs.Scheme != "https" || !strings.EqualFold(abs.Hostname(), t.base.Hostname()) {
		return false
	}
	if strings.EqualFold(abs.Scheme, t.base.Scheme) {
		return port(abs) == port(t.base)
	}
	bothDefault := isDefault(abs) && isDefault(t.base)
	again := abs.EscapedPath() == from.EscapedPath() && t.withoutOwn(abs.RawQuery) == t.withoutOwn(from.RawQuery)
	return (bothDefault || abs.Port() == t.base.Port()) && !again
}

func isDefault(u *url.URL) bool {
	p := u.Port()
	return p == "" || p == port(&url.URL{Scheme: u.Scheme})
}

// withoutOwn takes the upstream's own query, which may hold a key, out of a query.
func (t Target) withoutOwn(query string) string {
	if t.base.RawQuery == "" || query == "" {
		return query
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if !t.isOwn(pair) {
			kept = append(kept, t.withoutNested(pair))
		}
	}
	return strings.Join(kept, "&")
}

// foreign is a reference to another server, without the upstream's own query.
func (t Target) foreign(ref string) string {
	head, query, ok := strings.Cut(ref, "?")
	if !ok || t.base.RawQuery == "" {
		return ref
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	if query = t.withoutOwn(query); query != "" {
		head += "?" + query
	}
	if hasFragment {
		head += "#" + fragment
	}
	return head
}

func (t Target) isOwn(pair string) bool {
	for own := range strings.SplitSeq(t.base.RawQuery, "&") {
		if pair == own || own != "" && plain(pair) == plain(own) {
			return true
		}
	}
	return false
}

// withoutNested takes the own query out of an address that is the value of pair:
// where to return to after a login.
func (t Target) withoutNested(pair string) string {
	name, value, _ := strings.Cut(pair, "=")
	if decoded := plain(value); strings.Contains(decoded, t.base.RawQuery) {
		inner, _ := strings.CutSuffix(strings.ReplaceAll(decoded, t.base.RawQuery, ""), "?")
		return name + "=" + url.QueryEscape(inner)
	}
	return pair
}

func plain(s string) string {
	if p, err := url.QueryUnescape(s); err == nil {
		return p
	}
	return s
}

func (t Target) localPath(path string) (string, bool) {
	if path == "" {
		path = "/"
	}
	rest, ok := strings.CutPrefix(path, t.prefix)
	switch {
	case path == t.root:
		rest = ""
	case !ok || rest == "" || rest[0] != '/':
		return "", false
	}
	local := t.mount + rest
	if local == "" {
		return "/", true
	}
	if strings.HasPrefix(local, "//") {
		return "/." + local, true // "//x" would name a host (RFC 3986 section 4.2)
	}
	return local, true
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
