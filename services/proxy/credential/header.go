package credential

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

const (
	authorization = "Authorization"
	bearer        = "Bearer"
	basic         = "Basic"
)

// field is one header that carries the credential, or a part of it.
type field struct {
	key    string // of the configuration, for what is wrong with its own value
	name   string
	prefix string
	user   string      // of basic authentication
	basic  bool        // the value is a password
	own    *secretFile // nil: the token is sent
}

// fields are the headers that carry the credential of c, the token's first.
func (c *Config) fields() []field {
	var all []field
	switch {
	case c.Basic != nil:
		all = append(all, field{name: authorization, prefix: basic + " ", user: c.Basic.Username, basic: true})
	case c.source() != "":
		name := http.CanonicalHeaderKey(cmp.Or(c.Header, authorization))
		all = append(all, field{name: name, prefix: prefixOf(name, c.Prefix)})
	}
	for i := range c.Headers {
		h := &c.Headers[i]
		name := http.CanonicalHeaderKey(h.Name)
		f := field{name: name, prefix: prefixOf(name, h.Prefix)}
		if h.own() {
			f.key = "the value of " + h.Name
			f.own = &secretFile{plain: h.Value, path: h.ValueFile}
		}
		all = append(all, f)
	}
	return all
}

// prefixOf is what stands in front of the value. A scheme, which ends with a
// letter or a digit, is told apart by a space (RFC 9110 section 11.4).
func prefixOf(name string, set *string) string {
	switch {
	case set == nil && name == authorization:
		return bearer + " "
	case set == nil || *set == "":
		return ""
	}
	p := *set
	if last := p[len(p)-1] | 0x20; last >= 'a' && last <= 'z' || last >= '0' && last <= '9' {
		p += " "
	}
	return p
}

// schemeOf is the scheme that the credential is sent with, as in
// [events.Credential].
func schemeOf(fields []field) string {
	for _, f := range fields {
		if scheme, _, _ := strings.Cut(f.prefix, " "); f.name == authorization && !strings.EqualFold(scheme, bearer) {
			return cmp.Or(scheme, events.SchemeNone)
		} else if f.name == authorization {
			return ""
		}
	}
	return events.SchemeNone
}

// HeaderNames are the headers that the credential is sent in.
func (c *Config) HeaderNames() []string {
	var names []string
	for _, f := range c.fields() {
		names = append(names, f.name)
	}
	return names
}

// attached is what was read, as it is sent.
type attached struct {
	header http.Header
	parts  []string        // what tells one value from another; the first is the token
	user   string          // of basic authentication
	hidden []config.Secret // what must not be seen in text, besides the parts
}

func (a *attached) secrets() []config.Secret {
	all := slices.Clone(a.hidden)
	for _, p := range a.parts {
		all = append(all, config.Secret(p))
	}
	return all
}

// attach reads the fields that have values of their own, and puts token into the
// others.
func attach(fields []field, token string) (attached, *failure) {
	a := attached{header: http.Header{}}
	cleaned := false
	for i := range fields {
		f := &fields[i]
		value := token
		if f.own != nil {
			read, bad := f.own.get()
			if bad != nil {
				return a, f.blame(bad)
			}
			value = read.Reveal()
		}
		value = f.clean(value)
		if problem, detail := f.check(value); problem != "" {
			return a, f.blame(&failure{problem: problem, detail: detail})
		}
		if f.own != nil || !cleaned {
			a.parts = append(a.parts, value)
		}
		cleaned = cleaned || f.own == nil
		sent := f.sent(value)
		if f.basic {
			a.user = f.user
			a.hidden = append(a.hidden, config.Secret(strings.TrimPrefix(sent, f.prefix)))
		}
		a.header[f.name] = []string{sent}
	}
	return a, nil
}

// blame says which header bad is about, where there are several sources.
func (f *field) blame(bad *failure) *failure {
	if f.own != nil {
		bad.detail = f.key + ": " + bad.detail
	}
	return bad
}

func (f *field) clean(raw string) string {
	if f.basic {
		return strings.TrimRight(strings.TrimPrefix(raw, "\uFEFF"), "\r\n")
	}
	return cleanToken(raw, f.prefix)
}

func (f *field) check(value string) (problem, detail string) {
	if f.basic {
		return checkPassword(value)
	}
	return checkToken(value, f.prefix)
}

func (f *field) sent(value string) string {
	if f.basic {
		value = base64.StdEncoding.EncodeToString([]byte(f.user + ":" + value))
	}
	return f.prefix + value
}

// ownChanged reports whether a field's own value is another one than was read.
func ownChanged(fields []field) bool {
	for i := range fields {
		if own := fields[i].own; own != nil && own.changed() {
			return true
		}
	}
	return false
}

func ownFiles(fields []field) []string {
	var paths []string
	for i := range fields {
		if own := fields[i].own; own != nil && own.path != "" {
			paths = append(paths, own.path)
		}
	}
	return paths
}
