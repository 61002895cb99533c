package proxy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy"
)

const page = "http://localhost:3000"

func (w *world) preflight(path, origin string) reply {
	return w.do(http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version", "Access-Control-Request-Private-Network", "true")
}

func TestAPageOfAnAllowedOriginMayAskBeforeItShowsItsToken(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, func(w *world) {
		w.cfg.AllowedOrigins = []string{"https://app.example.com"}
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: filepath.Join(w.dir, "clients")}
		require.NoError(t, os.WriteFile(w.cfg.ClientAuth.BearerTokenFile, []byte("client-token-number-1"), 0o600))
		require.NoError(t, os.Remove(w.token)) // no credential either
	})
	for _, origin := range []string{page, "https://app.example.com"} {
		r := w.preflight("/github", origin)
		require.Equal(t, http.StatusNoContent, r.status)
		require.Equal(t, origin, r.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "POST", r.header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "authorization,content-type,mcp-protocol-version", r.header.Get("Access-Control-Allow-Headers"))
		require.Equal(t, "true", r.header.Get("Access-Control-Allow-Private-Network"))
		require.Contains(t, r.header.Get("Vary"), "Origin")
		require.Empty(t, r.header.Get("Access-Control-Allow-Credentials"), "there are no cookies here")
	}
	r := w.preflight("/github", "https://evil.example")
	require.Equal(t, http.StatusForbidden, r.status)
	require.Empty(t, r.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, http.StatusNotFound, w.preflight("/nobody", page).status)
	require.Equal(t, http.StatusUnauthorized, w.do(http.MethodOptions, "/github", "").status, "OPTIONS alone is a request as any other")
	require.Equal(t, http.StatusUnauthorized, w.do(http.MethodOptions, "/github", "", "Origin", page).status)
}

func TestAPageMayReadEveryAnswerOfTheProxysOwn(t *testing.T) {
	t.Parallel()
	up := newRemote(t)
	w := newWorld(t, up.URL)
	bare := newWorld(t, up.URL, func(w *world) { require.NoError(t, os.Remove(w.token)) })
	locked := newWorld(t, up.URL, func(w *world) {
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: filepath.Join(w.dir, "clients")}
		require.NoError(t, os.WriteFile(w.cfg.ClientAuth.BearerTokenFile, []byte("client-token-number-1"), 0o600))
	})
	away := newWorld(t, "http://127.0.0.1:1")
	ask := func(w *world, path string, header ...string) reply {
		return w.do(http.MethodPost, path, `{"jsonrpc":"2.0","id":7,"method":"a"}`, header...)
	}
	for name, c := range map[string]struct {
		got    func(header ...string) reply
		status int
	}{
		"rejected":        {func(h ...string) reply { return ask(w, "/github", h...) }, 503},
		"no credential":   {func(h ...string) reply { return ask(bare, "/github", h...) }, 503},
		"not a client":    {func(h ...string) reply { return ask(locked, "/github", h...) }, 401},
		"away":            {func(h ...string) reply { return ask(away, "/github", h...) }, 502},
		"discovery":       {func(h ...string) reply { return ask(w, "/github/.well-known/x", h...) }, 404},
		"no workload":     {func(h ...string) reply { return ask(w, "/nobody", h...) }, 404},
		"a climbing path": {func(h ...string) reply { return ask(w, "/github/%2e%2e/x", h...) }, 400},
	} {
		r := c.got("Origin", page)
		require.Equal(t, c.status, r.status, name)
		require.Equal(t, page, r.header.Get("Access-Control-Allow-Origin"), name)
		require.Equal(t, "Mcp-Session-Id, WWW-Authenticate, Retry-After", r.header.Get("Access-Control-Expose-Headers"), name)
		require.Equal(t, "Origin", r.header.Get("Vary"), name)

		r = c.got()
		require.Equal(t, c.status, r.status, name)
		require.Empty(t, r.header.Get("Access-Control-Allow-Origin"), name)
		require.Equal(t, "Origin", r.header.Get("Vary"), name)

		r = c.got("Origin", "https://evil.example")
		require.Equal(t, http.StatusForbidden, r.status, name)
		require.Empty(t, r.header.Get("Access-Control-Allow-Origin"), name)
	}
}

func TestAPageOfAnotherSiteIsRefusedWhereItSendsNoOrigin(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	for site, status := range map[string]int{
		"cross-site": 403, "Cross-Site": 403, "same-site": 200, "same-origin": 200, "none": 200,
	} {
		require.Equal(t, status, w.do(http.MethodGet, "/github", "", "Sec-Fetch-Site", site).status, site)
	}
	require.Equal(t, 200, w.do(http.MethodGet, "/github", "", "Sec-Fetch-Site", "cross-site", "Origin", page).status, "its Origin is known")
}
