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
	named  *named
}

// NewTarget maps mount to base.
func NewTarget(base *url.URL, mount string) Target {
	root := base.EscapedPath()
	if root == "" {
		root = "/"
	}
	return Target{base: base, root: root, prefix: strings.TrimSuffix(root, "/"), mount: mount, named: &named{}}
}

// URL returns the upstream's address for what a client wrote after the mount
// point: rest is empty for the root itself, or starts with a slash. Nothing is
// decoded, cleaned or encoded anew.
func (t Target) URL(rest, query string, force bool) *url.URL {
	u := &url.URL{Scheme: t.base.Scheme, Host: t.base.Host}
	switch {
	case rest == "":
		setPath(u, t.root)
	case t.named.has(rest):
		setPath(u, rest)
	default:
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
