package probe

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/rule"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

const (
	// timeout bounds one request, from its first byte to the end of what is read of
	// the answer.
	timeout = 15 * time.Second
	// maxBody bounds what is read of an answer's body.
	maxBody = 64 << 10
)

// Upstream sends one request. It follows no redirects: they would take the token
// to another server.
type Upstream interface {
	RoundTrip(r *http.Request) (*http.Response, error)
}

// Question is how an upstream is asked about a credential.
type Question struct {
	Upstream Upstream
	URL      *url.URL
	Header   http.Header // sent with each request
	// Credential is what is asked about.
	Credential *credential.Snapshot
	// MCP asks in the ways of MCP; otherwise one request of Method is sent, without
	// a body, whose answer has to be as Expect says.
	MCP    bool
	Method string
	Expect Expect
	Rules  *rule.Set // of the workload
}

// Result is what the upstream said.
type Result struct {
	Method  string
	Path    string
	RPC     string // JSON-RPC method, of an MCP server
	Status  int    // 0 without an answer
	Verdict verdict.Verdict
	Err     error // why there is none
	// Instead says, of an answer that would be an acceptance by its status, what it
	// is.
	Instead string
	// Better is how the upstream has to be written, where a redirect says it: with a
	// slash at its end, or with https.
	Better string
}

// Request is what was asked, for people: "POST server/discover".
func (a *Result) Request() string {
	if a.RPC != "" {
		return a.Method + " " + a.RPC
	}
	return a.Method + " " + a.Path
}

// decided reports whether another kind of request could not say more.
func (a *Result) decided() bool {
	return a.Err != nil || a.Verdict.Kind != verdict.Nothing ||
		a.Status >= http.StatusInternalServerError || a.Status == http.StatusTooManyRequests
}

// Ask asks.
func (q Question) Ask(ctx context.Context) Result {
	if q.MCP {
		return q.mcp(ctx)
	}
	a, _ := q.send(ctx, q.Method, "", "", nil)
	return a
}

// send makes one request and returns with the answer the session that it opened,
// if it did.
func (q Question) send(ctx context.Context, method, rpc, body string, header http.Header) (Result, string) {
	a := Result{Method: method, Path: q.URL.Path, RPC: rpc}
	own, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(own, method, q.URL.Scheme+"://"+q.URL.Host, content)
	if err != nil {
		a.Err = fmt.Errorf("cannot ask %s: its address is wrong", q.URL.Host) // err quotes it
		return a, ""
	}
	r.URL = q.URL // as it is: parsed again, a path might change
	maps.Copy(r.Header, q.Header)
	maps.Copy(r.Header, header)
	r.Header.Set("User-Agent", "authwatch")
	maps.Copy(r.Header, q.Credential.Header())
	resp, err := q.Upstream.RoundTrip(r)
	if err != nil {
		a.Err = err
		return a, ""
	}
	defer resp.Body.Close()
	a.Status, a.Better = resp.StatusCode, better(q.URL, resp)
	q.judge(&a, resp)
	return a, resp.Header.Get("Mcp-Session-Id")
}

// better is the address without query that a redirect to the same place at the
// same host names.
func better(asked *url.URL, resp *http.Response) string {
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return ""
	}
	to, err := resp.Location()
	if err != nil || !strings.EqualFold(to.Hostname(), asked.Hostname()) {
		return ""
	}
	from := asked.EscapedPath()
	if asked.Opaque != "" {
		from = asked.Opaque
	}
	slash := to.EscapedPath() == from+"/" || to.EscapedPath()+"/" == from
	secure := asked.Scheme == "http" && to.Scheme == "https"
	if !slash && (!secure || to.EscapedPath() != from) {
		return ""
	}
	as := *to
	as.RawQuery, as.Fragment, as.User, as.ForceQuery = "", "", nil, false
	if asked.Scheme == "https" { // a gateway in between ends TLS
		as.Scheme, as.Host = asked.Scheme, asked.Host
	}
	return as.String()
}

// judge finds the verdict on an answer: by the rules on its head, else by HTTP
// and what is in the body, which the rules on bodies may overrule.
func (q Question) judge(a *Result, resp *http.Response) {
	about := rule.Of(a.Method, resp)
	if v, ok := q.Rules.Head(about); ok {
		a.Verdict = v
		return
	}
	a.Verdict = verdict.Judge(verdict.Response{
		Method: a.Method, Status: resp.StatusCode, Scheme: q.Credential.Scheme,
		Challenges: verdict.ParseChallenges(resp.Header.Values("WWW-Authenticate"), q.Credential.Secrets()),
	})
	body := q.Rules.Watch(about, resp.ContentLength)
	if body == nil || a.Verdict.Kind == verdict.Rejected || a.Verdict.Kind == verdict.Forbidden {
		q.Expect.check(a, resp)
		return
	}
	resp.Body = io.NopCloser(io.TeeReader(resp.Body, body))
	q.Expect.check(a, resp)
	if !body.Events() { // a stream may have no end
		_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	}
	if v, ok := body.End(); ok {
		a.Verdict, a.Instead = v, ""
	}
}
