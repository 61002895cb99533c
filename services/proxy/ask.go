package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// asked is the upstream's answer to a request of the proxy's own.
type asked struct {
	what    string // for people
	method  string
	path    string
	rpc     string // JSON-RPC method
	status  int
	verdict verdict.Verdict
	err     error
}

const (
	mcpVersion  = "2026-07-28"
	mcpFallback = "2025-11-25"
)

const discoverBody = `{"jsonrpc":"2.0","id":"authwatch","method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"` + mcpVersion + `",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"authwatch","version":"1"},` +
	`"io.modelcontextprotocol/clientCapabilities":{}}}}`

const initializeBody = `{"jsonrpc":"2.0","id":"authwatch","method":"initialize","params":{` +
	`"protocolVersion":"` + mcpFallback + `","capabilities":{},"clientInfo":{"name":"authwatch","version":"1"}}}`

// ask finds out what the upstream thinks of a credential with a request that
// changes nothing there.
func ask(ctx context.Context, up *forward.Upstream, w *Workload, authorization string) asked {
	base, err := w.base()
	if err != nil {
		return asked{err: err}
	}
	if w.kind() == KindHTTP {
		return askHTTP(ctx, up, w, forward.NewTarget(base, ""), authorization)
	}
	target := forward.NewTarget(base, "").URL("", "", false)
	a, _ := askMCP(ctx, up, target, "server/discover", discoverBody, authorization)
	if a.err != nil || a.verdict.Kind != verdict.Nothing || a.status >= http.StatusInternalServerError {
		return a
	}
	// An older server: it wants to be initialized first.
	a, session := askMCP(ctx, up, target, "initialize", initializeBody, authorization)
	if session != "" {
		endSession(ctx, up, target, session, authorization)
	}
	return a
}

func askMCP(ctx context.Context, up *forward.Upstream, target *url.URL, rpc, body, authorization string) (asked, string) {
	a := asked{what: "POST " + rpc, method: http.MethodPost, path: target.Path, rpc: rpc}
	r, cancel, err := newRequest(ctx, a.method, target, strings.NewReader(body), authorization)
	if err != nil {
		return asked{err: err}, ""
	}
	defer cancel()
	r.Header["Content-Type"] = []string{"application/json"}
	r.Header["Accept"] = []string{"application/json, text/event-stream"}
	if rpc != "initialize" {
		r.Header["Mcp-Protocol-Version"] = []string{mcpVersion}
		r.Header["Mcp-Method"] = []string{rpc}
	}
	session := a.send(up, r)
	return a, session
}

func askHTTP(ctx context.Context, up *forward.Upstream, w *Workload, target forward.Target, authorization string) asked {
	method, rest := http.MethodGet, ""
	if w.Probe != nil {
		rest = w.Probe.Path
		if w.Probe.Method != "" {
			method = w.Probe.Method
		}
	}
	path, query, has := strings.Cut(rest, "?")
	u := target.URL(path, query, has)
	a := asked{what: method + " " + u.Path, method: method, path: u.Path}
	r, cancel, err := newRequest(ctx, method, u, nil, authorization)
	if err != nil {
		return asked{err: err}
	}
	defer cancel()
	a.send(up, r)
	return a
}

// endSession is good manners: nobody will use it.
func endSession(ctx context.Context, up *forward.Upstream, target *url.URL, session, authorization string) {
	r, cancel, err := newRequest(ctx, http.MethodDelete, target, nil, authorization)
	if err != nil {
		return
	}
	defer cancel()
	r.Header["Mcp-Session-Id"] = []string{session}
	r.Header["Mcp-Protocol-Version"] = []string{mcpFallback}
	if resp, err := up.RoundTrip(r); err == nil {
		resp.Body.Close()
	}
}

func newRequest(ctx context.Context, method string, u *url.URL, body io.Reader, authorization string) (*http.Request, context.CancelFunc, error) {
	own, cancel := context.WithTimeout(ctx, tryTimeout)
	r, err := http.NewRequestWithContext(own, method, u.String(), body)
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("build the request: %w", hideURL(err))
	}
	r.URL = u
	r.Header["Authorization"] = []string{authorization}
	r.Header["User-Agent"] = []string{"authwatch"}
	return r, cancel, nil
}

// send returns the session that the answer opened, if it did.
func (a *asked) send(up *forward.Upstream, r *http.Request) (session string) {
	resp, err := up.RoundTrip(r)
	if err != nil {
		a.err = err
		return ""
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.verdict = verdict.Judge(verdict.Answer{
		Method: a.method, Status: resp.StatusCode,
		Challenges: verdict.ParseChallenges(resp.Header["Www-Authenticate"]),
	})
	return resp.Header.Get("Mcp-Session-Id")
}
