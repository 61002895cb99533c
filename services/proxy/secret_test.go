package proxy_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
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
	dir, out, reg := t.TempDir(), &locked{}, prometheus.NewRegistry()
	nats := natstest.Run(t)
	w := &world{t: t, bus: nats.Bus(t), dir: dir, token: filepath.Join(dir, "token")}
	w.put(goodToken)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := proxy.New(proxy.Options{
		DataDir: filepath.Join(dir, "data"), Bus: w.bus, Log: log, Metrics: reg,
		Config: proxy.Config{Listen: "127.0.0.1:0", AccessLog: true, Workloads: []proxy.Workload{
			{Name: "github", Upstream: up.URL + "?api_key=query-secret-1", Credential: credential.Config{BearerTokenFile: w.token}},
		}},
	})
	require.NoError(t, err)
	w.proxy = p
	ctx := t.Context()
	go func() { _ = p.Run(ctx) }()
	require.Eventually(t, func() bool { return p.Ready() == nil }, 5*time.Second, time.Millisecond)
	r := w.do(http.MethodPost, "/github?q=query-secret-2", `{"id":1,"method":"a"}`, "Authorization", "Bearer client-secret", "Cookie", "cookie-secret")
	require.Equal(t, 503, r.status)
	w.put(otherToken)
	require.Eventually(t, func() bool { return len(w.types()) >= 3 }, 10*time.Second, 5*time.Millisecond)
	up.Close()
	for range 4 {
		w.call("a")
	}

	shown := out.String() + r.body
	err = w.bus.Each(t.Context(), bus.StreamAuth, "auth.>", 0, false, func(m bus.Message) error {
		shown += m.Event.String()
		return nil
	})
	require.NoError(t, err)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		shown += f.String()
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "proxy", "*"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		shown += string(text)
	}
	require.Contains(t, shown, credential.Fingerprint(goodToken))
	for _, secret := range []string{goodToken, otherToken, "client-secret", "cookie-secret", "query-secret-1", "query-secret-2"} {
		require.NotContains(t, shown, secret)
	}
}
