package standalone_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/standalone"
)

// issuer is an upstream that accepts one token, the one in the file valid. It
// keeps the alerts that it gets as a webhook.
type issuer struct {
	*httptest.Server
	folder string

	mu     sync.Mutex
	alerts []string // kind and how many workloads
	opened map[string]bool
	closed map[string]bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{folder: t.TempDir(), opened: map[string]bool{}, closed: map[string]bool{}}
	i.write(t, "valid", "token-0")
	i.write(t, "token", "token-0")
	mux := http.NewServeMux()
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		valid, _ := os.ReadFile(filepath.Join(i.folder, "valid"))
		if r.Header.Get("Authorization") != "Bearer "+strings.TrimSpace(string(valid)) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="The token was revoked"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/alerts", func(_ http.ResponseWriter, r *http.Request) {
		var e struct {
			Data struct {
				Kind      string
				Workloads []struct{ Workload string }
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&e)
		i.mu.Lock()
		defer i.mu.Unlock()
		i.alerts = append(i.alerts, fmt.Sprintf("%s %d", e.Data.Kind, len(e.Data.Workloads)))
		for _, w := range e.Data.Workloads {
			if e.Data.Kind == "opened" {
				i.opened[w.Workload] = true
			} else {
				i.closed[w.Workload] = true
			}
		}
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(i.folder, name), []byte(text+"\n"), 0o600))
}

// rotate is the program of docs/repair.md for this issuer: a new token, written
// beside the old one and put in its place at once.
const rotate = `
set -eu
cd "$(dirname "$0")"
cat > "event.$$"
echo "$1" >> rotations
new="token-$$"
echo "$new" > valid
echo "$new" > token.new
mv token.new token
`

func TestATokenThatDiesIsReplacedOnceAndAllItsWorkloadsHeal(t *testing.T) {
	t.Parallel()
	const many = 30
	i := newIssuer(t)
	i.write(t, "rotate", rotate)
	var workloads strings.Builder
	for n := range many {
		fmt.Fprintf(&workloads, "    - {name: w%d, kind: http, upstream: %q, credential: {bearer_token_file: %q}}\n",
			n, i.URL+"/api", filepath.Join(i.folder, "token"))
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	cfg, err := load(t, fmt.Sprintf(`data_dir: %s
proxy:
  listen: %q
  admin_listen: ""
  workloads:
%s
status: {listen: "127.0.0.1:0", admin_listen: ""}
notifier:
  admin_listen: ""
  receivers:
    - name: rotate
      send_resolved: false
      command: {argv: [/bin/sh, %q, "{{ .Workload.Workload }}"], timeout: 1m, once_per_credential: true}
    - {name: ops, webhook: {url: %q}}
  routes:
    - {receivers: [rotate, ops], group_by: [credential], group_wait: 2s, group_interval: 20s}
`, t.TempDir(), address, workloads.String(), filepath.Join(i.folder, "rotate"), i.URL+"/alerts"))
	require.NoError(t, err)
	start(t, cfg)

	call := func(n int) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/w%d", address, n), nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	allAccepted := func() bool {
		for n := range many {
			if call(n) != http.StatusOK {
				return false
			}
		}
		return true
	}
	require.Eventually(t, allAccepted, 30*time.Second, 50*time.Millisecond)

	i.write(t, "valid", "token-revoked") // the death
	for n := range many {
		require.NotEqual(t, http.StatusOK, call(n))
	}
	require.Eventually(t, func() bool {
		allAccepted()
		i.mu.Lock()
		defer i.mu.Unlock()
		return len(i.opened) == many && len(i.closed) == many
	}, 60*time.Second, 100*time.Millisecond)

	rotations, err := os.ReadFile(filepath.Join(i.folder, "rotations"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(rotations), "\n"), "rotated once: %s", rotations)
	i.mu.Lock()
	defer i.mu.Unlock()
	require.Equal(t, []string{"opened 30", "resolved 30"}, i.alerts)
}

// start runs an authwatch until the test ends.
func start(t *testing.T, cfg standalone.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the cleanup waits for the end
	ended := make(chan error, 1)
	app := standalone.New(standalone.Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
}
