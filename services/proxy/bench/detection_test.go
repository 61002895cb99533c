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
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// BenchmarkDetection measures from the moment at which the upstream sends its
// 401 to the event's arrival at a subscriber, over a broker that syncs each write.
// In between it measures the broker alone: an event published to it directly.
func BenchmarkDetection(b *testing.B) {
	var sent atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "/dead") {
			sent.Store(time.Now().UnixNano())
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // believed at once
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
	var settled config.Duration
	for i := range workloads {
		cfg.Workloads = append(cfg.Workloads, proxy.Workload{
			Name: fmt.Sprintf("w%d", i), Upstream: up.URL, Settle: &settled, Credential: credential.Config{BearerTokenFile: file},
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
		_ = conn.Follow(ctx, bus.StreamAuth, "auth.>", 0, func(m bus.Message) error {
			if t := m.Event.Type(); t != events.TypeLoaded {
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
	arrival := func(since time.Time) time.Duration {
		select {
		case at := <-arrived:
			return at.Sub(since)
		case <-time.After(10 * time.Second):
			b.Fatal("an event never came")
			return 0
		}
	}
	var proxied, broker []time.Duration
	for i := range workloads { // one death each
		start := time.Now()
		call(fmt.Sprintf("/w%d/live", i))
		arrival(start) // of auth.authorized: the credential is in use
		call(fmt.Sprintf("/w%d/dead", i))
		proxied = append(proxied, arrival(time.Unix(0, sent.Load())))
		start = time.Now()
		e, err := events.New(events.TypeExpiring, "urn:authwatch:proxy:bench", "broker", start, events.Observation{Workload: "broker"})
		require.NoError(b, err)
		require.NoError(b, conn.Publish(ctx, e))
		broker = append(broker, arrival(start))
	}
	for name, times := range map[string][]time.Duration{"": proxied, "broker-alone-": broker} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"ms-p50")
		b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, name+"ms-p99")
	}
	b.ReportMetric(0, "ns/op")
}
