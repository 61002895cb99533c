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

	shown := out.String() + r.body
	err := w.bus.Each(t.Context(), bus.StreamAuth, "auth.>", 0, false, func(m bus.Message) error {
		shown += m.Event.String()
		return nil
	})
	require.NoError(t, err)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		shown += f.String()
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "data", "proxy", "*"))
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
