package proxy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy"
)

func TestDiscoveryIsAnsweredHere(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	up := newRemote(t, goodToken)
	up.handle(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	w := newWorld(t, up.URL)
	for _, path := range []string{
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server/github", "/register", "/authorize", "/token",
		"/github/.well-known/oauth-protected-resource", "/github/%2ewell-known/x", "/github//register", "/github/register", "/github/authorize", "/github/token",
	} {
		require.Equal(t, 404, w.do(http.MethodGet, path, "").status, path)
	}
	for _, path := range []string{"/github/../x", "/github/%2e%2e/x", "/github/a/..%2f..%2fx", "/github/%252e%252e/x", "/github/..;/x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url("/"), nil)
		require.NoError(t, err)
		req.URL.Opaque = path
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 400, resp.StatusCode, path)
	}
	require.Zero(t, reached.Load())
	require.Equal(t, 200, w.do(http.MethodGet, "/github/registered/a/../b", "").status)
}

func TestOnlyKnownHostsOriginsAndClientsGetIn(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	clients := filepath.Join(t.TempDir(), "clients")
	require.NoError(t, os.WriteFile(clients, []byte("# people\nclient-token-0123456789\n"), 0o600))
	w := newWorld(t, up.URL, func(w *world) {
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: clients}
		w.cfg.AllowedHosts = []string{"proxy.example.com", "*.internal"}
		w.cfg.AllowedOrigins = []string{"https://app.example.com"}
	})
	auth := []string{"Authorization", "Bearer client-token-0123456789"}
	require.Equal(t, 200, w.do("GET", "/github", "", auth...).status)
	r := w.do("GET", "/github", "")
	require.Equal(t, 401, r.status)
	require.Equal(t, `Bearer realm="authwatch proxy"`, r.header.Get("WWW-Authenticate"))
	require.Equal(t, 401, w.do("GET", "/github", "", "Authorization", "Bearer client-token-0123456788").status)
	for host, want := range map[string]int{
		"evil.com": 403, "localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "proxy.example.com:8080": 200,
		"a.internal": 200, "internal": 403, "10.0.0.1": 403, "localhost.evil.com": 403,
	} {
		require.Equal(t, want, w.do("GET", "/github", "", append(auth, "Host", host)...).status, host)
	}
	for origin, want := range map[string]int{
		"http://evil.com": 403, "null": 403, "http://localhost:3000": 200, "https://app.example.com": 200, "http://app.example.com": 403,
	} {
		require.Equal(t, want, w.do("GET", "/github", "", append(auth, "Origin", origin)...).status, origin)
	}
	require.Equal(t, 405, w.do(http.MethodTrace, "/github", "", auth...).status)

	require.NoError(t, os.WriteFile(clients, []byte("another-token-0123456789\n"), 0o600))
	require.Eventually(t, func() bool { return w.do("GET", "/github", "", auth...).status == 401 }, 10*time.Second, 50*time.Millisecond)
	w.expect("loaded", "authorized")
}
