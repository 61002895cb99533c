package bench

import (
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

var scenarios = []struct {
	name  string
	path  string
	conns int
}{
	{"small POST, 1 connection", "/plain/small", 1},
	{"small POST, 16 connections", "/plain/small", 16},
	{"small POST, 128 connections", "/plain/small", 128},
	{"64 KiB answers, 16 connections", "/plain/large", 16},
	{"one-event SSE, 16 connections", "/plain/sse", 16},
	{"storm of 401, 16 connections", "/plain/401", 16},
	{"TLS HTTP/1.1 upstream, 16 connections", "/tls/small", 16},
	{"TLS HTTP/2 upstream, 16 connections", "/h2/small", 16},
}

const rounds = 5

// BenchmarkPeers measures every proxy in turn, several times, and prints
// medians: what changes on the machine meanwhile changes for all.
func BenchmarkPeers(b *testing.B) {
	_, all := start(b)
	d := 700 * time.Millisecond
	if s := os.Getenv("BENCH_SECONDS"); s != "" {
		v, err := time.ParseDuration(s + "s")
		require.NoError(b, err)
		d = v
	}
	for _, s := range scenarios {
		if !strings.Contains(s.name, os.Getenv("BENCH_ONLY")) {
			continue
		}
		var out strings.Builder
		results := map[string][]result{}
		for range rounds {
			for _, c := range all {
				if !c.offers(s.path) {
					continue
				}
				results[c.name] = append(results[c.name], run(b, c, s.path, s.conns, d))
			}
		}
		fmt.Fprintf(&out, "\n%-40s %9s %6s %9s %6s %9s %9s\n", s.name, "µs CPU", "ratio", "req/s", "ratio", "p50", "p99")
		base := median(results["reverseproxy"])
		for _, c := range all {
			if r := median(results[c.name]); r.rate > 0 {
				fmt.Fprintf(&out, "  %-38s %9.1f %6.2f %9.0f %6.2f %9s %9s\n", c.name, r.cpu, r.cpu/base.cpu, r.rate, r.rate/base.rate,
					r.p50.Round(time.Microsecond), r.p99.Round(time.Microsecond))
				if c.name == "authwatch" {
					b.ReportMetric(r.cpu/base.cpu, strings.NewReplacer(" ", "-", ",", "").Replace(s.name)+"-cpu-ratio")
				}
			}
		}
		fmt.Print(out.String()) // at once: the whole takes minutes
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStreams measures what an open event stream holds.
func BenchmarkStreams(b *testing.B) {
	_, all := start(b)
	for _, n := range []int{1000, 5000} {
		var out strings.Builder
		fmt.Fprintf(&out, "\n%-40s %9s %12s\n", fmt.Sprintf("%d open streams", n), "KiB each", "goroutines")
		for _, c := range all {
			kib, routines := streams(b, c, "/plain/stream", n)
			fmt.Fprintf(&out, "  %-38s %9.1f %12.1f\n", c.name, kib, routines)
			if c.name == "authwatch" {
				b.ReportMetric(kib, fmt.Sprintf("KiB/stream-of-%d", n))
			}
		}
		fmt.Print(out.String()) // at once: the whole takes minutes
	}
	b.ReportMetric(0, "ns/op")
}

// offers: the peers that are not in Go are measured without TLS.
func (c *child) offers(path string) bool {
	return strings.HasPrefix(path, "/plain") || c.Goroutines != ""
}

func median(rs []result) result {
	if len(rs) == 0 {
		return result{cpu: math.NaN()}
	}
	rs = slices.SortedFunc(slices.Values(rs), func(a, b result) int { return int(math.Copysign(1, a.cpu-b.cpu)) })
	return rs[len(rs)/2]
}

func start(b *testing.B) (*natstest.Server, []*child) {
	b.Helper()
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		lim.Cur = lim.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
	dir := b.TempDir()
	nats := natstest.Run(b, natstest.Listen())
	nats.Bus(b)
	ca := dir + "/ca.pem"
	up := spawn(b, "upstream", "BENCH_CA="+ca)
	env := []string{
		"BENCH_CA=" + ca, "BENCH_DIR=" + dir, "BENCH_NATS=" + nats.ClientURL(), "BENCH_TOKEN=0123456789abcdef",
		"BENCH_PLAIN=" + up.Plain, "BENCH_TLS=" + up.TLS, "BENCH_H2=" + up.H2,
	}
	all := []*child{spawn(b, "reverseproxy", env...), spawn(b, "authwatch", env...)}
	to := strings.TrimPrefix(up.Plain, "http://")
	at := free(b)
	if c := peer(b, "nginx", at, nginx(dir, at, to), "-c"); c != nil {
		all = append(all, c)
	}
	at = free(b)
	if c := peer(b, "haproxy", at, haproxy(at, to), "-db", "-f"); c != nil {
		all = append(all, c)
	}
	return nats, all
}

func free(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	return l.Addr().String()
}

func nginx(dir, at, to string) string {
	return fmt.Sprintf(`daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log crit;
events { worker_connections 15000; }
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
 keepalive_requests 1000000000;
 upstream u { server %[3]s; keepalive 2048; keepalive_requests 1000000000; }
 server { listen %[2]s; location /plain/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "Bearer x"; proxy_buffering off; } } }
`, dir, at, to)
}

func haproxy(at, to string) string {
	return fmt.Sprintf(`global
 maxconn 9000
 nbthread 2
defaults
 mode http
 timeout client 60s
 timeout server 60s
 timeout connect 5s
 http-reuse always
frontend f
 bind %s
 http-request replace-path /plain(.*) \1
 http-request set-header Authorization "Bearer x"
 default_backend b
backend b
 server s %s
`, at, to)
}
