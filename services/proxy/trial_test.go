package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

func TestATrialSaysWhatTheUpstreamThinksOfTheToken(t *testing.T) {
	t.Parallel()
	const token = "canary-trial-token"
	for name, c := range map[string]struct {
		kind, challenge string
		status          int
		want            string
		reason, request string
	}{
		"accepted":             {kind: proxy.KindMCP, status: 200, want: "accepted", request: "POST server/discover"},
		"rejected":             {kind: proxy.KindMCP, status: 401, challenge: `Bearer error="invalid_token", error_description="no ` + token + `"`, want: "rejected", reason: "invalid_token", request: "POST initialize"},
		"rejected, no reason":  {kind: proxy.KindHTTP, status: 401, want: "rejected", reason: "bare_401", request: "GET /base/me"},
		"forbidden":            {kind: proxy.KindHTTP, status: 403, challenge: `Bearer error="insufficient_scope"`, want: "forbidden", reason: "insufficient_scope", request: "GET /base/me"},
		"a gateway":            {kind: proxy.KindHTTP, status: 502, want: "unreachable", request: "GET /base/me"},
		"says nothing":         {kind: proxy.KindHTTP, status: 404, want: "unclear", request: "GET /base/me"},
		"no way to talk to it": {kind: proxy.KindMCP, status: 405, want: "unclear", request: "POST initialize"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+token {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				if c.challenge != "" {
					w.Header().Set("WWW-Authenticate", c.challenge)
				}
				w.WriteHeader(c.status)
			}))
			t.Cleanup(s.Close)
			w := proxy.Workload{Name: "x", Kind: c.kind, Upstream: s.URL + "/base"}
			if c.kind == proxy.KindHTTP {
				w.Probe = &proxy.Probe{Path: "/me"}
			}
			got, err := proxy.Try(t.Context(), w, &credential.Snapshot{Token: token})
			require.NoError(t, err)
			require.Equal(t, c.want, got.Result(), got.Detail)
			require.Equal(t, c.reason, got.Reason)
			require.Equal(t, c.request, got.Request)
			require.Equal(t, c.status, got.Status)
			require.NotEmpty(t, got.Detail)
			if got.Challenge != nil {
				require.NotContains(t, got.Challenge.ErrorDescription, "canary")
			}
		})
	}
}

func TestATrialOfAnUpstreamThatIsAwaySaysSo(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	got, err := proxy.Try(t.Context(), proxy.Workload{Name: "x", Kind: proxy.KindMCP, Upstream: s.URL + "/?secret=canary"}, &credential.Snapshot{Token: "the-token"})
	require.NoError(t, err)
	require.Equal(t, "unreachable", got.Result())
	require.Zero(t, got.Status)
	require.NotContains(t, got.Detail, "canary")
}

func TestATokenThatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	_, err := proxy.Try(t.Context(), proxy.Workload{Name: "x", Upstream: "http://127.0.0.1:1"}, &credential.Snapshot{Problem: events.ProblemMalformed})
	require.ErrorContains(t, err, "malformed")
}

func TestATrialSaysHowAnUpstreamThatRedirectsIsWritten(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"/mcp/":                          "the upstream redirects; write the upstream with the slash: HOST/mcp/",
		"/mcp/?api_key=canary":           "the upstream redirects; write the upstream with the slash: HOST/mcp/",
		"https://127.0.0.1/mcp":          "the upstream redirects; write the upstream as https://127.0.0.1/mcp",
		"/login":                         "status 307 says nothing about the token",
		"https://login.example.com/mcp/": "status 307 says nothing about the token",
	} {
		for _, kind := range []string{proxy.KindMCP, proxy.KindHTTP} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			t.Cleanup(s.Close)
			got, err := proxy.Try(t.Context(), proxy.Workload{Name: "x", Kind: kind, Upstream: s.URL + "/mcp"}, &credential.Snapshot{Token: "the-token"})
			require.NoError(t, err)
			require.Equal(t, "unclear", got.Result(), location)
			require.Equal(t, strings.Replace(want, "HOST", s.URL, 1), got.Detail)
		}
	}
}
