//go:build conformance

package conformance_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// revisions are those that the suite keeps a frozen list of requirements for,
// with the mode of the SDK's server that speaks them.
var revisions = []struct{ name, mode string }{
	{"2025-11-25", "-stateless=false"},
	{"2026-07-28", "-stateless=true"},
}

const rebinding = "dns-rebinding-protection"

func TestTheSameScenariosPassThroughTheProxyAsDirectly(t *testing.T) {
	t.Parallel()
	binary := buildServer(t)
	for _, r := range revisions {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, binary, r.mode)
			direct := runSuite(t, server, r.name)
			t.Logf("directly: %s", direct)

			url, metrics := startProxy(t, server)
			for run := 1; run <= 3; run++ {
				through := runSuite(t, url, r.name)
				t.Logf("through the proxy, run %d: %s", run, through)
				require.Equal(t, direct, through)
				require.Contains(t, through.passed(), rebinding)
				// The server would refuse a foreign Host as well, but is not asked.
				require.InDelta(t, run, count(t, metrics, "authwatch_proxy_refused_total", "host"), 0)
			}
			require.Positive(t, count(t, metrics, "authwatch_proxy_verdicts_total", "accepted"))
			require.Zero(t, count(t, metrics, "authwatch_proxy_verdicts_total", "rejected"))
			require.Zero(t, count(t, metrics, "authwatch_proxy_requests_total", "cut"))
		})
	}
}

// startProxy returns the address of the workload "everything" and the proxy's
// metrics.
func startProxy(t *testing.T, upstream string) (string, prometheus.Gatherer) {
	t.Helper()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("good-token-0123456789\n"), 0o600))
	metrics := prometheus.NewRegistry()
	p, err := proxy.New(proxy.Options{
		Config: proxy.Config{Listen: "127.0.0.1:0", Workloads: []proxy.Workload{{
			Name: "everything", Upstream: upstream, Credential: credential.Config{BearerTokenFile: token},
		}}},
		DataDir: filepath.Join(dir, "data"), Bus: natstest.Run(t).Bus(t),
		Log: slog.New(slog.DiscardHandler), Metrics: metrics,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool { return p.Ready() == nil }, 10*time.Second, 5*time.Millisecond)
	return "http://" + p.Address() + "/everything", metrics
}

// count sums the series of a metric that have a label of this value.
func count(t *testing.T, metrics prometheus.Gatherer, name, value string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == value {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}
