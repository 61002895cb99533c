package rule

import (
	"cmp"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// compiled is a rule whose patterns are ready.
type compiled struct {
	status                []span
	header                map[string]patterns
	location, contentType patterns
	content               content // nil: status and headers decide alone
	kind                  verdict.Kind
	reason, address       string
}

// span is a range of status codes.
type span struct{ from, to int }

// content is what a rule asks of a body.
type content interface {
	// holds reports whether d, which is never changed, is what is asked for.
	holds(d *document) bool
}

// kinds are the verdicts that a rule may give.
var kinds = map[string]verdict.Kind{
	"rejected": verdict.Rejected, "forbidden": verdict.Forbidden, "nothing": verdict.Nothing,
}

func compile(r *Rule) compiled {
	c := compiled{
		header:   map[string]patterns{},
		location: newPatterns(r.Location), contentType: newPatterns(r.ContentType),
		kind: kinds[r.Verdict], reason: cmp.Or(r.Reason, "rule"), address: r.Address,
	}
	for _, text := range r.Status {
		s, _ := parseStatus(text)
		c.status = append(c.status, s)
	}
	for name, values := range r.Header {
		c.header[textproto.CanonicalMIMEHeaderKey(name)] = newPatterns(values)
	}
	switch {
	case len(r.JSON) > 0:
		c.content = newJSONContent(r.JSON)
	case len(r.XML) > 0:
		c.content = newXMLContent(r.XML)
	case len(r.RPCError) > 0:
		c.content = &rpcError{codes: newPatterns(r.RPCError), message: newPatterns(r.RPCMessage)}
	case len(r.ToolError) > 0:
		c.content = &toolError{text: newPatterns(r.ToolError)}
	}
	return c
}

// parseStatus reads "403" or "4xx".
func parseStatus(text string) (span, bool) {
	class, isClass := strings.CutSuffix(strings.ToLower(text), "xx")
	n, err := strconv.Atoi(class)
	switch {
	case err != nil:
		return span{}, false
	case isClass && n >= 1 && n <= 5:
		return span{n * 100, n*100 + 99}, true
	case !isClass && n >= 100 && n <= 599:
		return span{n, n}, true
	}
	return span{}, false
}

// matches reports whether all conditions but the content hold.
func (c *compiled) matches(a Response) bool {
	if len(c.status) > 0 && !slices.ContainsFunc(c.status, func(s span) bool { return a.Status >= s.from && a.Status <= s.to }) {
		return false
	}
	if len(c.location) > 0 && !c.location.match(a.Header.Get("Location")) {
		return false
	}
	if len(c.contentType) > 0 && !c.contentType.match(a.Header.Get("Content-Type")) {
		return false
	}
	for name, p := range c.header {
		if !slices.ContainsFunc(a.Header[name], p.match) {
			return false
		}
	}
	return true
}

// verdict is what the rule says of an answer for which it holds.
func (c *compiled) verdict(a Response) verdict.Verdict {
	return verdict.Verdict{
		Kind: c.kind, Strong: c.kind == verdict.Rejected && c.content == nil, FromBody: c.content != nil,
		Reason: c.reason, Rule: c.reason, Address: addressIn(a.Header, c.address),
	}
}

// addressIn finds the first URL in a header such as "required; url=https://…".
// Its query goes: it may hold what only the person who follows it may know.
func addressIn(h http.Header, name string) string {
	if name == "" {
		return ""
	}
	text := h.Get(name)
	start := strings.Index(text, "https://")
	if start < 0 {
		return ""
	}
	text, _, _ = strings.Cut(text[start:], ";")
	u, err := url.Parse(strings.Trim(text, ` "'>,`))
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
