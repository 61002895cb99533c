package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
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

func count(w *world, typ string) int {
	n := 0
	for _, e := range w.events() {
		if e.typ == typ {
			n++
		}
	}
	return n
}
