package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/listen"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestReadinessNamesEachComponentThatIsNotReadyAndWhy(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	a := Admin{Registry: Registry("proxy"), Log: quiet(), Components: []Component{
		{Name: "admin"},
		{Name: "bus", Ready: func() error {
			if broken.Load() {
				return errors.New("no acknowledged write for 12s")
			}
			return nil
		}},
	}}
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)

	code, body := get(t, server.URL+"/readyz")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"ready":true}`, body)

	broken.Store(true)
	code, body = get(t, server.URL+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.JSONEq(t, `{"ready":false,"not_ready":{"bus":"no acknowledged write for 12s"}}`, body)
	code, body = get(t, server.URL+"/healthz")
	require.Equal(t, http.StatusOK, code, "a process that is not ready is alive")
	require.Equal(t, "ok\n", body)
}

func TestMetricsTellWhatIsRunning(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Admin{Registry: Registry("status"), Log: quiet()}.handler())
	t.Cleanup(server.Close)
	code, body := get(t, server.URL+"/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `authwatch_build_info{binary="status",go_version="go`)
	require.Contains(t, body, "\ngo_goroutines ")
	require.Contains(t, body, "\nprocess_open_fds ")
}

func TestTheAdminListenerAnswersToItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Admin{Address: "0.0.0.0:9081", Hosts: []string{"status"}, Registry: Registry("status"), Log: quiet()}.handler())
	t.Cleanup(server.Close)
	for host, want := range map[string]int{
		"localhost:9081": 200, "127.0.0.1": 200, "10.42.0.7:9081": 200, "status:9081": 200, "evil.example.com": 403,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/metrics", http.NoBody)
		require.NoError(t, err)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, host)
	}
}

func TestAnAdminListenerInUseNamesItsKey(t *testing.T) {
	t.Parallel()
	taken, err := listen.Open(t.Context(), "x", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	a := Admin{Path: "proxy.admin_listen", Address: taken.Addr().String(), Registry: Registry("proxy"), Log: quiet()}
	err = a.Component().Run(t.Context())
	require.EqualError(t, err, "proxy.admin_listen: cannot listen on "+a.Address+
		": in use: another process listens there; stop it or choose another port")
}

func TestHealthcheckAsksTheProcessItself(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	server := httptest.NewServer(Admin{Registry: Registry("proxy"), Log: quiet(), Components: []Component{{
		Name: "bus", Ready: func() error {
			if ready.Load() {
				return nil
			}
			return errors.New("not connected")
		},
	}}}.handler())
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	require.EqualError(t, Healthcheck(t.Context(), address),
		`not ready: {"ready":false,"not_ready":{"bus":"not connected"}}`)
	ready.Store(true)
	require.NoError(t, Healthcheck(t.Context(), address))

	_, port, _ := strings.Cut(address, ":")
	require.NoError(t, Healthcheck(t.Context(), "0.0.0.0:"+port))
	require.NoError(t, Healthcheck(t.Context(), ":"+port))
	server.Close()
	require.ErrorContains(t, Healthcheck(t.Context(), address), "connection refused")
}

func TestTheAdminListenerAnswersUntilTheEnd(t *testing.T) {
	t.Parallel()
	free, err := listen.Open(t.Context(), "x", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Admin{Path: "x", Address: address, Registry: Registry("proxy"), Log: quiet()}.Component().Run(ctx)
	}()
	require.Eventually(t, func() bool { return Healthcheck(t.Context(), address) == nil }, eventually, tick)
	cancel()
	require.NoError(t, <-done)
	require.Error(t, Healthcheck(t.Context(), address))
}

func TestReadinessIsValidJSONWhateverTheReasonSays(t *testing.T) {
	t.Parallel()
	a := Admin{Components: []Component{{Name: "bus", Ready: func() error { return errors.New("\"\x00\n\xff</script>") }}}}
	w := httptest.NewRecorder()
	a.ready(w, nil)
	require.True(t, json.Valid(w.Body.Bytes()))
}
