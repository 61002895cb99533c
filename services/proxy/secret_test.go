package proxy_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// locked is a buffer for a log that many write to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestNoTokenShowsAnywhere(t *testing.T) {
	t.Parallel()
	up := newRemote(t)
	up.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// The worst upstream: it repeats what it was sent.
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer error=\"invalid_token\", error_description=%q", r.Header.Get("Authorization")))
		rw.WriteHeader(http.StatusUnauthorized)
	})
	out, reg := &locked{}, prometheus.NewRegistry()
	w := newWorld(t, up.URL+"?api_key=query-secret-1", func(w *world) {
		w.metrics, w.cfg.AccessLog = reg, true
		w.log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	r := w.do(http.MethodPost, "/github?q=query-secret-2", `{"id":1,"method":"a"}`, "Authorization", "Bearer client-secret", "Cookie", "cookie-secret")
	require.Equal(t, 503, r.status)
	require.Eventually(t, func() bool { return len(w.types()) >= 2 }, 10*time.Second, 5*time.Millisecond)
	w.put(otherToken)
	require.Eventually(t, func() bool { return len(w.types()) >= 3 }, 10*time.Second, 5*time.Millisecond)
	up.Close()
	for range 4 {
		w.call("a")
	}

	shown := r.body
	for _, text := range w.sinks(out, reg) {
		shown += text
	}
	require.Contains(t, shown, credential.Fingerprint(goodToken))
	for _, secret := range []string{goodToken, otherToken, "client-secret", "cookie-secret", "query-secret-1", "query-secret-2"} {
		require.NotContains(t, shown, secret)
	}
}

// sinks are everything that the proxy writes, by name.
func (w *world) sinks(log *locked, reg *prometheus.Registry) map[string]string {
	w.t.Helper()
	all := map[string]string{"log": log.String()}
	err := w.bus.Each(w.t.Context(), bus.StreamAuth, "auth.>", 0, false, func(m bus.Message) error {
		all["event"] += m.Event.String()
		return nil
	})
	require.NoError(w.t, err)
	families, err := reg.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		all["metrics"] += f.String()
	}
	maps.Copy(all, w.files())
	return all
}

// files are what the proxy keeps.
func (w *world) files() map[string]string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "data", "proxy", "*"))
	require.NoError(w.t, err)
	all := map[string]string{}
	for _, f := range names {
		text, err := os.ReadFile(f)
		require.NoError(w.t, err)
		all["file "+filepath.Base(f)] = string(text)
	}
	return all
}

// Each encoding has a workload of its own, whose upstream repeats the token in
// every parameter of its challenge. The bus is away at first, so that the events
// are in the file too.
func TestNoEncodingOfATokenShowsAnywhere(t *testing.T) {
	t.Parallel()
	const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	encodings := redacttest.Encodings()
	quote := strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\r", " ", "\n", " ", "\x00", " ")
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var i int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &i)
		said := quote.Replace(encodings[i].Encode(token))
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="%[1]s", error_description="bad token %[1]s", realm="%[1]s", scope="%[1]s", resource_metadata="https://x.example/%[1]s"`, said))
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(up.Close)
	out, reg := &locked{}, prometheus.NewRegistry()
	w := newWorld(t, up.URL, func(w *world) {
		w.put(token)
		w.metrics, w.cfg.AccessLog = reg, true
		w.log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		one := w.cfg.Workloads[0]
		w.cfg.Workloads = nil
		for i := range encodings {
			one.Name, one.Upstream = fmt.Sprintf("w%d", i), fmt.Sprintf("%s/%d", up.URL, i)
			w.cfg.Workloads = append(w.cfg.Workloads, one)
		}
	})
	w.nats.Stop()
	for i, e := range encodings {
		r := w.do(http.MethodPost, fmt.Sprintf("/w%d", i), `{"id":1,"method":"a"}`)
		require.Equal(t, 503, r.status)
		redacttest.RequireNone(t, r.body, token, e.Name+" in an answer")
	}
	require.Eventually(t, func() bool {
		return strings.Count(out.String(), "is not accepted") >= len(encodings)
	}, 10*time.Second, 5*time.Millisecond)
	for name, text := range w.files() {
		redacttest.RequireNone(t, text, token, name)
	}

	w.nats.Restart()
	require.Eventually(t, func() bool { return len(w.types()) >= 2*len(encodings) }, 20*time.Second, 20*time.Millisecond)
	for name, text := range w.sinks(out, reg) {
		redacttest.RequireNone(t, text, token, name)
	}
}
