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

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// timeout bounds one request, from its first byte to the answer's headers.
const timeout = 15 * time.Second

// Upstream sends one request. It follows no redirects: they would take the token
// to another server.
type Upstream interface {
	RoundTrip(r *http.Request) (*http.Response, error)
}

// Result is what the upstream said.
type Result struct {
	Method  string
	Path    string
	RPC     string // JSON-RPC method, of an MCP server
	Status  int    // 0 without an answer
	Verdict verdict.Verdict
	Err     error // why there is none
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

// asker is one token at one upstream.
type asker struct {
	up    Upstream
	url   *url.URL
	token config.Secret
}

// HTTP sends one request without a body.
func HTTP(ctx context.Context, up Upstream, method string, u *url.URL, token config.Secret) Result {
	p := asker{up: up, url: u, token: token}
	a, _ := p.send(ctx, method, "", "", nil)
	return a
}

// send makes one request and returns with the answer the session that it opened,
// if it did. Of the body nothing is read: an event stream has no end.
func (p *asker) send(ctx context.Context, method, rpc, body string, header http.Header) (Result, string) {
	a := Result{Method: method, Path: p.url.Path, RPC: rpc}
	own, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(own, method, p.url.Scheme+"://"+p.url.Host, content)
	if err != nil {
		a.Err = fmt.Errorf("cannot ask %s: its address is wrong", p.url.Host) // err would show it
		return a, ""
	}
	r.URL = p.url // as it is: parsed again, a path might change
	maps.Copy(r.Header, header)
	r.Header.Set("User-Agent", "authwatch")
	r.Header.Set("Authorization", "Bearer "+p.token.Reveal())
	resp, err := p.up.RoundTrip(r)
	if err != nil {
		a.Err = err
		return a, ""
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	a.Verdict = verdict.Judge(verdict.Response{
		Method: method, Status: resp.StatusCode,
		Challenges: verdict.ParseChallenges(resp.Header.Values("WWW-Authenticate"), redact.New(p.token)),
	})
	return a, resp.Header.Get("Mcp-Session-Id")
}
