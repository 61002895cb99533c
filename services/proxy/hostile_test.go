package proxy_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
)

// raw sends a request as it is and returns all that comes until the connection
// is closed.
func (w *world) raw(request string) string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.proxy.Address())
	require.NoError(w.t, err)
	defer c.Close()
	require.NoError(w.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n"))
	require.NoError(w.t, err)
	answer, _ := io.ReadAll(c) // in whichever way it is closed
	return string(answer)
}

func TestARefusedClientIsAnsweredBeforeItsBodyIsHere(t *testing.T) {
	t.Parallel()
	clients := filepath.Join(t.TempDir(), "clients")
	require.NoError(t, os.WriteFile(clients, []byte("client-token-0123456789\n"), 0o600))
	w := newWorld(t, newRemote(t, goodToken).URL, func(w *world) {
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: clients}
	})
	const auth = "Authorization: Bearer client-token-0123456789\n"
	for request, want := range map[string]string{
		"POST /github HTTP/1.1\nHost: localhost\n":                                   "401",
		"POST /github HTTP/1.1\nHost: evil.com\n" + auth:                             "403",
		"POST /nobody HTTP/1.1\nHost: localhost\n" + auth:                            "404",
		"POST /github/../x HTTP/1.1\nHost: localhost\n" + auth:                       "400",
		"POST /github/register HTTP/1.1\nHost: localhost\n" + auth:                   "404",
		"POST /github HTTP/1.1\nHost: localhost\nContent-Type: application/json\n":   "401",
		"DELETE /github HTTP/1.1\nHost: localhost\nOrigin: http://evil.com\n" + auth: "403",
	} {
		for _, body := range []string{"Content-Length: 10\n\n{", "Content-Length: 300000\n\n{", "Transfer-Encoding: chunked\n\n1\n{\n"} {
			got := w.raw(request + body)
			require.True(t, strings.HasPrefix(got, "HTTP/1.1 "+want+" "), got)
		}
	}
}

func TestWithoutACredentialNobodyWaitsForTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	w.put("")
	require.NoError(t, os.Remove(w.token))
	w.stop()
	w.start()
	for _, body := range []string{"Content-Length: 10\n\n{", "Content-Length: 300000\n\n{", "Transfer-Encoding: chunked\n\n1\n{\n"} {
		got := w.raw("POST /github HTTP/1.1\nHost: localhost\n" + body)
		require.True(t, strings.HasPrefix(got, "HTTP/1.1 503 "), got)
		require.Contains(t, got, `"id":null`)
	}
	require.Contains(t, w.call("tools/list").body, `"code":4011`)
}

func TestNothingThatAClientSendsMakesTheUpstreamUnreachable(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		answers := map[string]string{
			"/switch": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n",
			"/odd":    "HTTP/1.1 007 Odd\r\n\r\n", "/text": "hello\r\n\r\n", "/end": "",
		}
		if a, ok := answers[r.URL.Path]; ok {
			c, _, err := http.NewResponseController(rw).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, a)
				c.Close()
			}
			return
		}
		if r.URL.Path == "/busy" {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := newWorld(t, up.URL, func(w *world) { w.metrics = reg })
	for _, path := range []string{"/switch", "/odd", "/text", "/end", "/busy"} {
		for range 6 {
			got := w.raw("POST /github" + path + " HTTP/1.1\nHost: localhost\nConnection: close, Upgrade\nUpgrade: websocket\nContent-Length: 2\n\n{}")
			require.Regexp(t, "^HTTP/1.1 50[23] ", got)
			require.NotContains(t, got, "cannot be reached")
		}
	}
	require.Equal(t, http.StatusOK, w.call("tools/list").status)
	require.NoError(t, reachable(reg, 1))
	up.Close()
	for range 6 {
		require.Contains(t, w.call("tools/list").body, "cannot be reached")
	}
	require.NoError(t, reachable(reg, 0))
}

func reachable(reg *prometheus.Registry, want int) error {
	return testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP authwatch_proxy_upstream_reachable 0 after several failures to reach the upstream in a row.
# TYPE authwatch_proxy_upstream_reachable gauge
authwatch_proxy_upstream_reachable{workload="github"} %d
`, want)), "authwatch_proxy_upstream_reachable")
}

func TestAGatewayThatAnswersEverythingIsNoUpstream(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(gateway.Close)
	w := newWorld(t, gateway.URL, func(w *world) { w.metrics = reg })
	for range 3 {
		w.call("tools/list")
	}
	require.Eventually(t, func() bool { return reachable(reg, 0) == nil }, 10*time.Second, 5*time.Millisecond)
}

func TestOtherLimitsHoldForOpenListeners(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t, goodToken).URL)
	long := "GET /github HTTP/1.1\nHost: localhost\nConnection: close\nX: " + strings.Repeat("x", 20<<10) + "\n\n"
	kept, err := net.Dial("tcp", w.proxy.Address())
	require.NoError(t, err)
	defer kept.Close()
	require.NoError(t, kept.SetDeadline(time.Now().Add(20*time.Second)))
	in := bufio.NewReader(kept)
	ask := func() (int, error) {
		_, _ = io.WriteString(kept, "GET /github HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, nil
	}
	status, err := ask()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Regexp(t, "^HTTP/1.1 200 ", w.raw(long))

	next := w.cfg
	next.Limits.RequestHeader = 4 << 10
	next.Limits.HeaderTimeout = config.Duration(time.Second)
	require.NoError(t, w.proxy.Reload(next))
	require.Regexp(t, "^HTTP/1.1 431 ", w.raw(long))
	require.Empty(t, w.raw("GET /github HTTP/1.1\n"), "it is closed")
	_, err = ask()
	require.Error(t, err, "an idle connection has the limits of before")
	require.NoError(t, w.proxy.Reload(w.cfg))
	require.Regexp(t, "^HTTP/1.1 200 ", w.raw(long))
}

func TestAnotherContentOfTheCAFileHoldsAfterAReload(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(secure.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca")
	other, err := os.ReadFile("testdata/other-ca.pem")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, other, 0o600))
	w := newWorld(t, secure.URL, func(w *world) { w.cfg.Workloads[0].CAFile = file })
	r := w.call("a")
	require.Equal(t, http.StatusBadGateway, r.status)
	require.Contains(t, r.body, "unknown authority")
	require.NoError(t, os.WriteFile(file, own, 0o600))
	require.NoError(t, w.proxy.Reload(w.cfg))
	require.Equal(t, http.StatusOK, w.call("a").status)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, w.proxy.Reload(w.cfg))
	require.Equal(t, http.StatusOK, w.call("a").status)
}

func TestTheTokenIsChosenAfterTheBodyIsHere(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	require.Equal(t, http.StatusOK, w.call("tools/list").status)
	const newToken = "another-good-token-0123456789"
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	c, err := net.Dial("tcp", w.proxy.Address())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(c, "POST /github HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
	require.NoError(t, err)
	up.revoke(goodToken)
	up.accept(newToken)
	w.put(newToken)
	require.Eventually(t, func() bool { return w.call("tools/list").status == http.StatusOK }, 10*time.Second, 5*time.Millisecond)
	_, err = io.WriteString(c, body[10:])
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
