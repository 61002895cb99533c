package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// told is what a child says when it is ready.
type told struct {
	Plain, TLS, H2 string // addresses of upstreams
	Proxy          string
	Goroutines     string // where to ask for their number
}

func TestMain(m *testing.M) {
	switch os.Getenv("BENCH_ROLE") {
	case "upstream":
		runUpstream()
	case "authwatch":
		runAuthwatch()
	case "reverseproxy":
		runReverseProxy()
	default:
		os.Exit(m.Run())
	}
}

func ready(t told) {
	t.Goroutines = "http://" + strings.TrimPrefix(httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		_, _ = fmt.Fprint(w, runtime.NumGoroutine())
	})).URL, "http://")
	_ = json.NewEncoder(os.Stdout).Encode(t)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

func runUpstream() {
	small := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 200) + `"}]}}`
	large := strings.Repeat("0123456789abcdef", 4<<10)
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, small)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Length"] = []string{"65536"}
		_, _ = io.WriteString(w, large)
	})
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: message\ndata: "+small+"\n\n")
		_ = http.NewResponseController(w).Flush()
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/401", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	h2 := httptest.NewUnstartedServer(mux)
	h2.EnableHTTP2 = true
	h2.StartTLS()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(os.Getenv("BENCH_CA"), ca, 0o600); err != nil {
		panic(err)
	}
	ready(told{Plain: plain.URL, TLS: secure.URL, H2: h2.URL})
}

func runAuthwatch() {
	quiet := slog.New(slog.DiscardHandler)
	b, err := bus.Connect(context.Background(), bus.Options{URL: os.Getenv("BENCH_NATS"), Name: "bench", Log: quiet})
	if err != nil {
		panic(err)
	}
	cfg := proxy.Config{Listen: "127.0.0.1:0"}
	for _, name := range []string{"plain", "tls", "h2"} {
		cfg.Workloads = append(cfg.Workloads, proxy.Workload{
			Name: name, Upstream: os.Getenv("BENCH_" + strings.ToUpper(name)), CAFile: os.Getenv("BENCH_CA"),
			Credential: credential.Config{BearerTokenEnv: "BENCH_TOKEN"},
		})
	}
	p, err := proxy.New(proxy.Options{Config: cfg, DataDir: os.Getenv("BENCH_DIR"), Bus: b, Log: quiet, Metrics: prometheus.NewRegistry()})
	if err != nil {
		panic(err)
	}
	go func() { panic(p.Run(contextOfChild())) }()
	for p.Ready() != nil {
		runtime.Gosched()
	}
	ready(told{Proxy: "http://" + p.Address()})
}

// runReverseProxy is the bare minimum with the standard library, tuned: a
// fitting idle pool and nothing else than the header.
func runReverseProxy() {
	mux := http.NewServeMux()
	for _, name := range []string{"plain", "tls", "h2"} {
		target, err := url.Parse(os.Getenv("BENCH_" + strings.ToUpper(name)))
		if err != nil {
			panic(err)
		}
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Header.Set("Authorization", "Bearer "+os.Getenv("BENCH_TOKEN"))
			},
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 2048, DisableCompression: true, ForceAttemptHTTP2: true,
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the peer of a benchmark
			},
		}))
	}
	ready(told{Proxy: httptest.NewServer(mux).URL})
}

// child is a process to measure.
type child struct {
	told
	name string
	cmd  *exec.Cmd
}

func spawn(b *testing.B, role string, env ...string) *child {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "BENCH_ROLE="+role)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	c := &child{name: role, cmd: cmd}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	require.NoError(b, json.Unmarshal([]byte(line), &c.told))
	return c
}

// peer starts nginx or haproxy, when it is installed.
func peer(b *testing.B, name, address, conf string, args ...string) *child {
	b.Helper()
	bin, err := exec.LookPath(name)
	if err != nil {
		if bin = "/usr/sbin/" + name; !exists(bin) {
			return nil
		}
	}
	file := filepath.Join(b.TempDir(), name+".conf")
	require.NoError(b, os.WriteFile(file, []byte(conf), 0o600))
	cmd := exec.CommandContext(b.Context(), bin, append(args, file)...)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := &child{name: name, cmd: cmd, told: told{Proxy: "http://" + address}}
	require.Eventually(b, func() bool {
		resp, err := http.Post(c.Proxy+"/plain/small", "application/json", nil)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	}, 5*time.Second, 20*time.Millisecond, name)
	return c
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }
