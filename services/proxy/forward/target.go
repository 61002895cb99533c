package forward

import (
	"net/url"
	"strings"
)

// Target maps the paths that clients see to those of the upstream, and back.
type Target struct {
	base   *url.URL // without userinfo and fragment
	root   string   // its escaped path as written; "/" when it has none
	prefix string   // root without its final slash: what a rest is appended to
	mount  string   // where clients find it: "/github", or "" on a listener of its own
}

// NewTarget maps mount to base.
func NewTarget(base *url.URL, mount string) Target {
	root := base.EscapedPath()
	if root == "" {
		root = "/"
	}
	return Target{base: base, root: root, prefix: strings.TrimSuffix(root, "/"), mount: mount}
}

// URL returns the upstream's address for what a client wrote after the mount
// point: rest is empty for the root itself, or starts with a slash. Nothing is
// decoded, cleaned or encoded anew.
func (t Target) URL(rest, query string, force bool) *url.URL {
	u := &url.URL{Scheme: t.base.Scheme, Host: t.base.Host}
	if rest == "" {
		setPath(u, t.root)
	} else {
		setPath(u, t.prefix+rest)
	}
	switch own := t.base.RawQuery; {
	case own == "":
		u.RawQuery, u.ForceQuery = query, force
	case query == "":
		u.RawQuery = own
	default:
		u.RawQuery = own + "&" + query
	}
	return u
}

// setPath makes u.RequestURI return raw, byte for byte.
func setPath(u *url.URL, raw string) {
	if strings.IndexByte(raw, '%') < 0 {
		u.Path = raw
	} else if p, err := url.PathUnescape(raw); err == nil {
		u.Path, u.RawPath = p, raw
	}
	if u.EscapedPath() == raw {
		return
	}
	// Bytes that net/url would escape, such as | or ". Opaque is written as it
	// is; with two slashes in front it must be in absolute form.
	u.Path, u.RawPath, u.Opaque = "", "", raw
	if strings.HasPrefix(raw, "//") {
		u.Opaque = "//" + u.Host + raw
	}
}

// Local translates a reference that the upstream sent in answer to a request
// for from (a Location, the endpoint of the legacy transport) into one that
// leads through the proxy. A reference outside the base becomes an absolute URL,
// so that it still means the same.
func (t Target) Local(from *url.URL, ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return ref
	}
	if t.mount == "" && t.prefix == "" && u.Host == "" {
		return ref // the paths are the same on both sides
	}
	abs := from.ResolveReference(u)
	if !strings.EqualFold(abs.Scheme, t.base.Scheme) || !sameHost(abs, t.base) {
		return ref
	}
	local, ok := t.localPath(abs.EscapedPath())
	if !ok {
		return abs.String()
	}
	if abs.RawQuery != "" || abs.ForceQuery {
		local += "?" + abs.RawQuery
	}
	if f := abs.EscapedFragment(); f != "" {
		local += "#" + f
	}
	return local
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

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
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

// Split cuts a request target as it came on the wire into path and query. The
// query is told apart from an absent one.
func Split(target string) (path, query string, hasQuery bool) {
	if !strings.HasPrefix(target, "/") { // absolute form (RFC 9112 section 3.2.2)
		_, rest, ok := strings.Cut(target, "://")
		if !ok {
			return "", "", false
		}
		i := strings.IndexAny(rest, "/?")
		switch {
		case i < 0:
			return "/", "", false
		case rest[i] == '?':
			return "/", rest[i+1:], true
		}
		target = rest[i:]
	}
	return strings.Cut(target, "?")
}
