package proxy_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy"
)

// A listener in front, such as a load balancer, leads back to the proxy.
func TestAnUpstreamThatIsThisProxyIsRefusedOnceAndTellsNothing(t *testing.T) {
	t.Parallel()
	var back atomic.Pointer[string]
	var passed atomic.Int32
	up := newRemote(t)
	up.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		passed.Add(1)
		out, err := http.NewRequestWithContext(r.Context(), r.Method, *back.Load()+"/github", r.Body)
		if err == nil {
			out.Header = r.Header.Clone()
			var resp *http.Response
			if resp, err = http.DefaultClient.Do(out); err == nil {
				defer resp.Body.Close()
				rw.WriteHeader(resp.StatusCode)
				return
			}
		}
		rw.WriteHeader(http.StatusBadGateway)
	})
	w := newWorld(t, up.URL, func(w *world) {
		w.cfg.ClientAuth = &proxy.ClientAuth{BearerTokenFile: filepath.Join(w.dir, "clients")}
		require.NoError(t, os.WriteFile(w.cfg.ClientAuth.BearerTokenFile, []byte("client-token-number-1"), 0o600))
	})
	at := w.url("")
	back.Store(&at)
	r := w.do(http.MethodPost, "/github", `{"jsonrpc":"2.0","id":7,"method":"a"}`, "Authorization", "Bearer client-token-number-1")
	require.Equal(t, http.StatusLoopDetected, r.status)
	require.EqualValues(t, 1, passed.Load())
	w.expect("loaded")
}

func TestRequestsNameTheWayThatTheyCame(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	var via atomic.Pointer[[]string]
	up.handle(func(_ http.ResponseWriter, r *http.Request) { v := r.Header["Via"]; via.Store(&v) })
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.do(http.MethodGet, "/github", "", "Via", "1.0 fred").status)
	got := *via.Load()
	require.Len(t, got, 2)
	require.Equal(t, "1.0 fred", got[0])
	require.Regexp(t, "^1.1 authwatch-[a-z0-9]{26}$", got[1])

	other := newWorld(t, w.url("/github"))
	require.Equal(t, 200, other.do(http.MethodGet, "/github", "").status, "a proxy behind a proxy is no loop")
	require.Len(t, *via.Load(), 2)
	name, err := os.Hostname()
	require.NoError(t, err)
	require.NotContains(t, strings.Join(*via.Load(), " "), name)
}

func TestANameThatResolvesToAListenerIsTheProxyItself(t *testing.T) {
	t.Parallel()
	for upstream, want := range map[string]bool{
		"http://localhost:8080/x": true, "http://localhost:8081": false, "https://localhost": false, "http://no-such-name.invalid:8080": false,
	} {
		c := proxy.Config{Workloads: []proxy.Workload{{Name: "x", Upstream: upstream}}}
		require.Equal(t, want, c.LeadsHere(t.Context(), &c.Workloads[0], net.DefaultResolver), upstream)
	}
}
