package bench

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
)

// BenchmarkBrokerAway loads the proxy while the broker is up and while it is
// away, in turn, and prints what requests notice of it. BENCH_AWAY is the length
// of each phase in seconds. A credential dies while nobody can be told; when the
// broker is back, each death has to be there, once.
func BenchmarkBrokerAway(b *testing.B) {
	phase := 2 * time.Second
	if s := os.Getenv("BENCH_AWAY"); s != "" {
		v, err := time.ParseDuration(s + "s")
		require.NoError(b, err)
		phase = v
	}
	nats, all := start(b)
	proxy := all[1]
	conn := nats.Connect(b)
	results := map[string][]result{}
	dying := []string{"tls", "h2"}
	run(b, proxy, "/plain/small", 16, time.Second) // warm
	for _, workload := range dying {
		results["up"] = append(results["up"], run(b, proxy, "/plain/small", 16, phase))
		nats.Stop()
		resp, err := http.Post(proxy.Proxy+"/"+workload+"/401", "application/json", strings.NewReader(`{"id":1,"method":"a"}`))
		require.NoError(b, err)
		resp.Body.Close()
		require.Equal(b, http.StatusServiceUnavailable, resp.StatusCode)
		results["away"] = append(results["away"], run(b, proxy, "/plain/small", 16, phase))
		nats.Restart()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-40s %9s %9s %9s %9s\n", "small POST, 16 connections", "µs CPU", "req/s", "p50", "p99")
	for _, state := range []string{"up", "away"} {
		for _, r := range results[state] {
			fmt.Fprintf(&out, "  %-38s %9.1f %9.0f %9s %9s\n", "broker "+state, r.cpu, r.rate, r.p50.Round(time.Microsecond), r.p99.Round(time.Microsecond))
		}
	}
	fmt.Print(out.String())
	told := func() map[string]int {
		n := map[string]int{}
		_ = conn.Each(b.Context(), bus.StreamAuth, "auth.unauthorized.>", 0, false, func(m bus.Message) error {
			n[m.Event.Subject()]++
			return nil
		})
		return n
	}
	require.Eventually(b, func() bool { return len(told()) == len(dying) }, 30*time.Second, 50*time.Millisecond)
	require.Equal(b, map[string]int{"tls": 1, "h2": 1}, told())
	b.ReportMetric(0, "ns/op")
}
