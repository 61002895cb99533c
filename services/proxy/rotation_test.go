package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// The upstream takes a new token before it is in the file and drops the old
// one at the moment that it is: some requests are under way with the old one.
func TestARotationUnderLoadIsNoDeath(t *testing.T) {
	t.Parallel()
	rotations, clients := 100, 10
	if os.Getenv("SOAK") != "" {
		rotations, clients = 1000, 50
	}
	up := newRemote(t, "rotating-token-00000")
	w := newWorld(t, up.URL, func(w *world) { w.put("rotating-token-00000") })
	var stop atomic.Bool
	var rejected, served atomic.Int64
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	t.Cleanup(client.CloseIdleConnections)
	for range clients {
		wg.Go(func() {
			for !stop.Load() {
				resp, err := client.Post(w.url("/github"), "application/json", bytes.NewReader([]byte(`{"id":1,"method":"tools/call"}`)))
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					served.Add(1)
				} else {
					rejected.Add(1)
				}
			}
		})
	}
	for i := 1; i <= rotations; i++ {
		old, token := fmt.Sprintf("rotating-token-%05d", i-1), fmt.Sprintf("rotating-token-%05d", i)
		up.accept(token)
		w.put(token)
		up.revoke(old)
		before := served.Load()
		require.Eventually(t, func() bool { return served.Load() > before+int64(clients) }, 10*time.Second, time.Millisecond)
	}
	require.NotContains(t, w.types(), "unauthorized")

	up.revoke(fmt.Sprintf("rotating-token-%05d", rotations))
	require.Eventually(t, func() bool { return count(w, events.TypeUnauthorized) == 1 }, 10*time.Second, time.Millisecond)
	before := rejected.Load()
	require.Eventually(t, func() bool { return rejected.Load() > before+100 }, 10*time.Second, time.Millisecond)
	stop.Store(true)
	wg.Wait()
	require.Equal(t, 1, count(w, events.TypeUnauthorized))
	t.Logf("%d served, %d rejected over %d rotations", served.Load(), rejected.Load(), rotations)
}

// bound is an MCP server that binds a session to the bytes of the token which
// opened it, and answers another token in it, or no session, as if the token were
// dead.
type bound struct {
	sessions sync.Map // id → token
	opened   atomic.Int64
}

func (b *bound) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	token, session := r.Header.Get("Authorization"), r.Header.Get("Mcp-Session-Id")
	owner, _ := b.sessions.Load(session)
	switch {
	case bytes.Contains(body, []byte(`"initialize"`)):
		session = fmt.Sprint("session-", b.opened.Add(1))
		b.sessions.Store(session, token)
		rw.Header().Set("Mcp-Session-Id", session)
	case owner != token:
		rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

// calls goes on calling a tool until stop, and opens a session where it has none.
func calls(client *http.Client, url string, stop *atomic.Bool, served, lost *atomic.Int64) {
	session := ""
	for !stop.Load() {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`
		if session == "" {
			body = `{"jsonrpc":"2.0","id":1,"method":"initialize"}`
		}
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/json")
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		resp, err := client.Do(r)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusNotFound:
			session = ""
			lost.Add(1)
		case resp.StatusCode == http.StatusOK && session == "":
			session = resp.Header.Get("Mcp-Session-Id")
		case resp.StatusCode == http.StatusOK:
			served.Add(1)
		}
	}
}

func TestARotationThatEndsEverySessionIsNoDeath(t *testing.T) {
	t.Parallel()
	rotations, clients := 25, 10
	if os.Getenv("SOAK") != "" {
		rotations, clients = 1000, 50
	}
	token := func(n int) string { return fmt.Sprintf("rotating-token-%05d", n) }
	up := newRemote(t, token(0))
	up.handle((&bound{}).ServeHTTP)
	w := newWorld(t, up.URL, func(w *world) {
		w.cfg.Workloads[0].Settle = nil
		w.put(token(0))
	})
	var stop atomic.Bool
	var served, lost atomic.Int64
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	t.Cleanup(client.CloseIdleConnections)
	for range clients {
		wg.Go(func() { calls(client, w.url("/github"), &stop, &served, &lost) })
	}
	for n := 1; n <= rotations; n++ {
		up.accept(token(n))
		w.put(token(n))
		up.revoke(token(n - 1))
		before := served.Load()
		require.Eventually(t, func() bool { return served.Load() > before+int64(3*clients) }, 20*time.Second, time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	require.Zero(t, count(w, events.TypeUnauthorized))
	require.GreaterOrEqual(t, lost.Load(), int64(rotations))
	t.Logf("%d served, %d sessions lost over %d rotations", served.Load(), lost.Load(), rotations)
}

func count(w *world, typ string) int {
	n := 0
	for _, e := range w.events() {
		if e.typ == typ {
			n++
		}
	}
	return n
}
