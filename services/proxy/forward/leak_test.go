package forward_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Not parallel: it counts what the process has.
func TestNothingStaysOfClientsAndUpstreamsThatAbort(t *testing.T) { //nolint:paralleltest // as it says
	total := 2000
	if os.Getenv("SOAK") != "" {
		total = 50000
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/cut":
			_, _ = io.WriteString(w, "part")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/wait":
			<-r.Context().Done()
		case "/early":
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(s.Close)
	f := newFront(t, s.URL)
	requests := []string{
		"GET /abort HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" + strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3),
	}
	run := func(n int) {
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < n; i += 16 {
					c, err := net.Dial("tcp", f.Listener.Addr().String())
					if err != nil {
						continue
					}
					_, _ = io.WriteString(c, requests[i%len(requests)])
					if i%3 == 0 {
						_ = c.(*net.TCPConn).SetLinger(0)
					}
					c.Close()
					select {
					case <-f.ends:
					default:
					}
				}
			})
		}
		wg.Wait()
	}
	settled := func(most, files int) bool { return runtime.NumGoroutine() <= most && descriptors(t) <= files }
	run(len(requests) * 16)
	var goroutines, files int
	require.Eventually(t, func() bool { // until nothing ends any more
		g, d := runtime.NumGoroutine(), descriptors(t)
		same := g == goroutines && d == files
		goroutines, files = g, d
		return same
	}, 30*time.Second, time.Second)
	run(total)
	require.Eventually(t, func() bool { return settled(goroutines+20, files+20) }, 30*time.Second, 100*time.Millisecond,
		"%d goroutines and %d descriptors before", goroutines, files)
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(open)
}
