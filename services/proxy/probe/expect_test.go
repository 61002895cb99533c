package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// says is a server that answers everything alike.
func says(t *testing.T, status int, kind, body string) *url.URL {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.Header().Set("Location", "https://login.example/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u
}

func TestAnAnswerInPlaceOfTheUpstreamsIsNoAcceptance(t *testing.T) {
	t.Parallel()
	const result = `{"jsonrpc":"2.0","id":"authwatch","result":{}}`
	const refusal = `{"jsonrpc":"2.0","id":"authwatch","error":{"code":-32600,"message":"your token is not valid any more"}}`
	for name, c := range map[string]struct {
		mcp        bool
		status     int
		kind, body string
		want       verdict.Kind
		instead    string
	}{
		"a result":                     {true, 200, "application/json", result, verdict.Accepted, ""},
		"a result in an event":         {true, 200, "text/event-stream", ": hello\n\nevent: message\ndata: " + result + "\n\n", verdict.Accepted, ""},
		"a body that cannot be read":   {true, 200, "application/json", `{"error":`, verdict.Accepted, ""},
		"nothing":                      {true, 202, "", "", verdict.Accepted, ""},
		"a JSON-RPC error":             {true, 200, "application/json", refusal, verdict.Nothing, "JSON-RPC error -32600"},
		"a JSON-RPC error in an event": {true, 200, "text/event-stream; charset=utf-8", "data: " + refusal + "\r\n\r\n", verdict.Nothing, "JSON-RPC error -32600"},
		"the same in several lines":    {true, 200, "text/event-stream", "data: " + strings.Replace(refusal, `"id"`, "\ndata: \"id\"", 1) + "\n\n", verdict.Nothing, "JSON-RPC error -32600"},
		"a stream without an end":      {true, 200, "text/event-stream", "data: " + refusal, verdict.Nothing, "JSON-RPC error -32600"},
		"a page":                       {true, 200, "text/html; charset=utf-8", "<form>", verdict.Nothing, "an HTML page"},
		"a page, of HTTP":              {false, 200, "TEXT/HTML", "<form>", verdict.Nothing, "an HTML page"},
		"a page as XHTML":              {false, 200, "application/xhtml+xml", "<form/>", verdict.Nothing, "an HTML page"},
		"203":                          {false, 203, "application/json", "{}", verdict.Nothing, ""},
		"a redirect":                   {false, 302, "", "", verdict.Nothing, ""},
		"an error field of HTTP":       {false, 200, "application/json", refusal, verdict.Accepted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := Question{Upstream: http.DefaultTransport, URL: says(t, c.status, c.kind, c.body), Credential: &credential.Snapshot{Token: "canary-good"}, MCP: c.mcp, Method: "GET"}
			a := q.Ask(t.Context())
			require.NoError(t, a.Err)
			require.Equal(t, c.want, a.Verdict.Kind)
			if c.instead != "" {
				require.Equal(t, c.instead, a.Instead)
			}
		})
	}
}

func TestWhatAGoodTokenIsAnsweredCanBeSaid(t *testing.T) {
	t.Parallel()
	const me = `{"id":7,"roles":["a/b",null],"a/b":{"~":false},"none":null}`
	for name, c := range map[string]struct {
		expect Expect
		status int
		body   string
		want   verdict.Kind
	}{
		"the status":                       {Expect{Status: []int{200}}, 200, me, verdict.Accepted},
		"another":                          {Expect{Status: []int{200}}, 206, me, verdict.Nothing},
		"one that says nothing by itself":  {Expect{Status: []int{404, 200}}, 404, me, verdict.Accepted},
		"a rejection stays one":            {Expect{Status: []int{200}}, 401, me, verdict.Rejected},
		"a value":                          {Expect{JSON: "/id"}, 200, me, verdict.Accepted},
		"a value in a list":                {Expect{JSON: "/roles/0"}, 200, me, verdict.Accepted},
		"a name with a slash and a tilde":  {Expect{JSON: "/a~1b/~0"}, 200, me, verdict.Accepted},
		"no value: somebody it knows not":  {Expect{JSON: "/user"}, 200, me, verdict.Rejected},
		"null":                             {Expect{JSON: "/none"}, 200, me, verdict.Rejected},
		"null in a list":                   {Expect{JSON: "/roles/1"}, 200, me, verdict.Rejected},
		"beyond the end of a list":         {Expect{JSON: "/roles/2"}, 200, me, verdict.Rejected},
		"before its start":                 {Expect{JSON: "/roles/-1"}, 200, me, verdict.Rejected},
		"no index":                         {Expect{JSON: "/roles/x"}, 200, me, verdict.Rejected},
		"below a value":                    {Expect{JSON: "/id/x"}, 200, me, verdict.Rejected},
		"no JSON":                          {Expect{JSON: "/id"}, 200, "down for maintenance", verdict.Nothing},
		"a value, of an upstream in pain":  {Expect{JSON: "/id"}, 500, "{}", verdict.Nothing},
		"both":                             {Expect{Status: []int{200}, JSON: "/id"}, 200, me, verdict.Accepted},
		"the status without the value":     {Expect{Status: []int{200}, JSON: "/x"}, 200, me, verdict.Rejected},
		"the value without the status":     {Expect{Status: []int{200}, JSON: "/id"}, 203, me, verdict.Nothing},
		"an expected 203 is one of theirs": {Expect{Status: []int{203}}, 203, me, verdict.Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := Question{Upstream: http.DefaultTransport, URL: says(t, c.status, "application/json", c.body), Credential: &credential.Snapshot{Token: "canary-good"}, Method: "GET", Expect: c.expect}
			a := q.Ask(t.Context())
			require.NoError(t, a.Err)
			require.Equal(t, c.want, a.Verdict.Kind, a.Instead)
		})
	}
}

func TestARefusalOfDiscoveryIsNotBelievedBeforeInitializeWasAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		initialize int
		want       verdict.Kind
		request    string
	}{
		"accepted":     {200, verdict.Accepted, "POST initialize"},
		"refused, too": {401, verdict.Rejected, "POST initialize"},
		"not known":    {404, verdict.Rejected, "POST server/discover"},
		"down":         {503, verdict.Rejected, "POST server/discover"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Mcp-Method") != "" { // only initialize opens a session
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.WriteHeader(c.initialize)
			}))
			t.Cleanup(s.Close)
			u, err := url.Parse(s.URL)
			require.NoError(t, err)
			a := Question{Upstream: http.DefaultTransport, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, MCP: true}.Ask(t.Context())
			require.Equal(t, c.want, a.Verdict.Kind)
			require.Equal(t, c.request, a.Request())
		})
	}
}

func TestHeadersThatRealClientsSendGoWithEveryRequest(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Tenant") != "one" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Mcp-Method") != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	for _, mcp := range []bool{true, false} {
		q := Question{Upstream: http.DefaultTransport, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, MCP: mcp, Method: "GET", Header: http.Header{"X-Tenant": {"one"}}}
		require.Equal(t, verdict.Accepted, q.Ask(t.Context()).Verdict.Kind)
		q.Header = nil
		require.Equal(t, verdict.Rejected, q.Ask(t.Context()).Verdict.Kind)
	}
}

func TestAnAnswerThatNeverComesToAnEndIsWaitedForNoLongerThanTheCallerWishes(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	a := Question{Upstream: http.DefaultTransport, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, MCP: true}.Ask(ctx)
	require.Equal(t, verdict.Accepted, a.Verdict.Kind, "its status has said so")
}
