package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// BenchmarkDetection measures from the moment at which the upstream sends its
// 401 to the event's arrival at a subscriber, over a broker that syncs each write.
func BenchmarkDetection(b *testing.B) {
	var sent atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "/dead") {
			sent.Store(time.Now().UnixNano())
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	b.Cleanup(up.Close)
	nats := natstest.Run(b, natstest.Sync())
	conn := nats.Bus(b)
	dir := b.TempDir()
	const workloads = 200
	cfg := proxy.Config{Listen: "127.0.0.1:0"}
	file := filepath.Join(dir, "token")
	require.NoError(b, os.WriteFile(file, []byte("0123456789abcdef"), 0o600))
	for i := range workloads {
		cfg.Workloads = append(cfg.Workloads, proxy.Workload{
			Name: fmt.Sprintf("w%d", i), Upstream: up.URL, Credential: credential.Config{BearerTokenFile: file},
		})
	}
	p, err := proxy.New(proxy.Options{Config: cfg, DataDir: dir, Bus: conn, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	arrived := make(chan time.Time, workloads)
	go func() {
		_ = conn.Follow(ctx, bus.StreamAuth, "auth.unauthorized.>", 0, func(m bus.Message) error {
			if m.Event.Type() == events.TypeUnauthorized {
				arrived <- time.Now()
			}
			return nil
		})
	}()
	require.Eventually(b, func() bool { return p.Ready() == nil }, 5*time.Second, time.Millisecond)
	call := func(path string) {
		resp, err := http.Post("http://"+p.Address()+path, "application/json", strings.NewReader(`{"id":1,"method":"a"}`))
		require.NoError(b, err)
		resp.Body.Close()
	}
	var times []time.Duration
	for i := range workloads { // one death each
		call(fmt.Sprintf("/w%d/live", i))
		call(fmt.Sprintf("/w%d/dead", i))
		select {
		case at := <-arrived:
			times = append(times, at.Sub(time.Unix(0, sent.Load())))
		case <-time.After(10 * time.Second):
			b.Fatalf("the death of workload %d was never told", i)
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(0, "ns/op")
}
