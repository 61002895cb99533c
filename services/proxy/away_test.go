package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

func listening(w *world) {
	w.nats = natstest.Run(w.t, natstest.Listen())
}

func TestRequestsGoOnWhileTheBrokerIsAwayAndTheEdgesComeLater(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, listening)
	require.Equal(t, 200, w.call("a").status)
	w.expect("loaded", "authorized")

	w.nats.Stop()
	up.revoke(goodToken)
	for range 50 {
		require.Equal(t, 503, w.call("a").status)
	}
	file := filepath.Join(w.dir, "data", "proxy", "outbox.jsonl")
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "auth.unauthorized")
	}, 10*time.Second, 5*time.Millisecond)

	w.nats.Restart()
	w.expect("loaded", "authorized", "unauthorized")
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && len(text) == 0
	}, 10*time.Second, 5*time.Millisecond)
}

// The proxy runs as a process of its own, so that it can be killed.
func TestAnEdgeOutlivesAKillWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	up := newRemote(t) // accepts nothing
	nats := natstest.Run(t, natstest.Listen())
	b := nats.Bus(t)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte(goodToken), 0o600))
	url := nats.ClientURL()
	nats.Stop()

	run := func() (address string, kill func()) {
		ready := filepath.Join(dir, "address")
		_ = os.Remove(ready)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProxyProcess$")
		cmd.Env = append(os.Environ(), "PROXY_PROCESS="+dir, "PROXY_NATS="+url, "PROXY_UPSTREAM="+up.URL)
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(ready)
			address = string(text)
			return err == nil && address != ""
		}, 20*time.Second, 5*time.Millisecond)
		return address, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	}
	address, kill := run()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/github", strings.NewReader(`{"id":1,"method":"a"}`))
	require.NoError(t, err)
	req.Header.Set("Traceparent", trace)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 503, resp.StatusCode)
	var first string
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "data", "proxy", "outbox.jsonl"))
		first = string(text)
		return err == nil && strings.Contains(first, "auth.unauthorized")
	}, 10*time.Second, time.Millisecond)
	kill()

	_, kill = run() // nobody calls it
	defer kill()
	nats.Restart()
	w := &world{t: t, bus: b}
	require.Eventually(t, func() bool { return len(w.types()) >= 3 }, 15*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"loaded", "unauthorized", "loaded"}, w.types())
	for _, e := range w.events()[:2] {
		require.Contains(t, first, e.id)
	}
	require.Equal(t, trace, w.events()[1].trace)
}

func TestHelperProxyProcess(t *testing.T) { //nolint:paralleltest // another process
	dir := os.Getenv("PROXY_PROCESS")
	if dir == "" {
		t.Skip("runs in a process of its own")
	}
	b, err := bus.Connect(t.Context(), bus.Options{URL: os.Getenv("PROXY_NATS"), Name: "proxy", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	p, err := proxy.New(proxy.Options{
		DataDir: filepath.Join(dir, "data"), Bus: b, Log: slog.New(slog.DiscardHandler),
		Config: proxy.Config{Listen: "127.0.0.1:0", Workloads: []proxy.Workload{{
			Name: "github", Upstream: os.Getenv("PROXY_UPSTREAM"),
			Credential: credential.Config{BearerTokenFile: filepath.Join(dir, "token")},
		}}},
	})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	require.Eventually(t, func() bool { return p.Ready() == nil }, 5*time.Second, time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "address.tmp"), []byte(p.Address()), 0o600))
	require.NoError(t, os.Rename(filepath.Join(dir, "address.tmp"), filepath.Join(dir, "address")))
	<-done
}

func TestTwoProxiesDoNotShareAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t).URL)
	_, err := proxy.New(proxy.Options{Config: w.cfg, DataDir: filepath.Join(w.dir, "data"), Bus: w.bus, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "another process holds it; give each its own data_dir")
}

func TestTheSourceOfEventsStaysTheSameOverARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t).URL)
	w.expect("loaded")
	before := w.proxy.Instance()
	w.stop()
	w.start()
	w.expect("loaded", "loaded")
	require.Equal(t, before, w.proxy.Instance())
}

func TestAConfigurationIsTakenOverWithoutDroppingAStream(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(rw, "data: first\n\n")
			_ = http.NewResponseController(rw).Flush()
			<-release
			_, _ = fmt.Fprint(rw, "data: last\n\n")
		}
	})
	second := httptest.NewServer(http.NotFoundHandler())
	own := second.Listener.Addr().String() // an address that is free again
	second.Close()
	w := newWorld(t, up.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url("/github"), nil)
	require.NoError(t, err)
	stream, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer stream.Body.Close()
	buf := make([]byte, len("data: first\n\n"))
	_, err = stream.Body.Read(buf)
	require.NoError(t, err)

	next := w.cfg
	changed := w.cfg.Workloads[0]
	changed.OnUnauthorized = proxy.Transparent
	added := w.cfg.Workloads[0]
	added.Name, added.Listen = "gitlab", own
	next.Workloads = []proxy.Workload{changed, added}
	require.NoError(t, w.proxy.Reload(next))
	require.Equal(t, 200, w.do("POST", "/github", "{}").status)
	require.Equal(t, 200, w.do("POST", "/gitlab", "{}").status)
	resp, err := http.Get("http://" + own)
	require.NoError(t, err)
	_ = resp.Body.Close()

	bad := next
	bad.Workloads = []proxy.Workload{changed, changed}
	require.ErrorContains(t, w.proxy.Reload(bad), `workloads[1].name: "github" is used twice`)
	taken := next
	other := added
	other.Name, other.Listen = "third", newRemote(t).Listener.Addr().String()
	taken.Workloads = []proxy.Workload{changed, added, other}
	require.ErrorContains(t, w.proxy.Reload(taken), "workloads[2].listen: cannot listen on")
	require.Equal(t, 200, w.do("POST", "/gitlab", "{}").status)

	next.Workloads = nil
	require.NoError(t, w.proxy.Reload(next))
	require.Equal(t, 404, w.do("POST", "/github", "{}").status)
	let()
	rest, err := io.ReadAll(stream.Body)
	require.NoError(t, err)
	require.Equal(t, "data: last\n\n", string(rest))
	for _, e := range w.events() {
		require.NotEqual(t, events.TypeUnauthorized, e.typ)
	}
}
