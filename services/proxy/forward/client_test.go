package forward_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

// connect returns a raw connection to f.
func connect(t *testing.T, f *front) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n"))
	require.NoError(t, err)
}

func TestAClientThatHalfClosesGetsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	parts := func(ctype string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			w.Header().Set("Content-Type", ctype)
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for i := range 6 {
				select {
				case <-tick.C:
				case <-r.Context().Done():
					panic(http.ErrAbortHandler)
				}
				_, _ = fmt.Fprintf(w, "part %d\n", i)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	whole := "part 0\npart 1\npart 2\npart 3\npart 4\npart 5\n"
	for _, u := range upstreams {
		for name, c := range map[string]struct {
			handler http.HandlerFunc
			request string
		}{
			"no body":      {parts("text/plain"), "GET / HTTP/1.1\nHost: x\n\n"},
			"events":       {parts("text/event-stream"), "GET / HTTP/1.1\nHost: x\n\n"},
			"small body":   {parts("text/plain"), "POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}"},
			"chunked JSON": {parts("application/json"), "POST / HTTP/1.1\nHost: x\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n"},
			"streamed":     {parts("text/plain"), "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n"},
			"HTTP/1.0":     {parts("text/plain"), "GET / HTTP/1.0\n\n"},
		} {
			t.Run(u.name+" "+name, func(t *testing.T) {
				t.Parallel()
				s := u.start(c.handler)
				t.Cleanup(s.Close)
				f := newFront(t, s.URL, trusting(s))
				conn := connect(t, f)
				send(t, conn, c.request)
				require.NoError(t, conn.CloseWrite())
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, whole, string(body))
				require.NoError(t, within(t, 5*time.Second, f.ends))
			})
		}
	}
}

func TestAClientThatResetsHasLeft(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			arrived, left := make(chan struct{}), make(chan struct{})
			s := u.start(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-r.Context().Done()
				close(left)
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, trusting(s))
			c := connect(t, f)
			send(t, c, "GET / HTTP/1.1\nHost: x\n\n")
			within(t, 5*time.Second, arrived)
			require.NoError(t, c.SetLinger(0))
			require.NoError(t, c.Close())
			within(t, 5*time.Second, left)
			require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrClientGone)
		})
	}
}

// Clients that pipeline requests and read nothing used to keep the transport's
// own goroutine in a write to them, after their connection to the upstream was
// somebody else's.
func TestClientsThatNeverReadHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	for _, sized := range []bool{true, false} {
		t.Run(fmt.Sprintf("sized=%v", sized), func(t *testing.T) {
			t.Parallel()
			answer := bytes.Repeat([]byte("x"), 1000)
			var arrived atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived.Add(1)
				if r.URL.Path == "/slow" { // each needs a connection of its own
					<-time.After(100 * time.Millisecond)
				}
				if !sized {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = w.Write(answer)
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, func(s *setup) {
				s.listener = func(l net.Listener) net.Listener { return narrow{l} }
			})
			for range 34 {
				c := connect(t, f)
				require.NoError(t, c.SetReadBuffer(1<<10))
				go func() { _, _ = io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200)) }()
			}
			var before int64
			require.Eventually(t, func() bool { // until none of them takes any more
				now := arrived.Load()
				same := now == before && now > 34
				before = now
				return same
			}, 20*time.Second, 500*time.Millisecond)
			var wg sync.WaitGroup
			var hung atomic.Int32
			client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 40}}
			t.Cleanup(client.CloseIdleConnections)
			for range 34 {
				wg.Go(func() {
					for range 5 {
						resp, err := client.Get(f.URL + "/slow")
						if err == nil {
							_, err = io.ReadAll(resp.Body)
							resp.Body.Close()
						}
						if err != nil {
							hung.Add(1)
							return
						}
					}
				})
			}
			wg.Wait()
			require.Zero(t, hung.Load())
		})
	}
}

// narrow buffers little for clients that do not read.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if b, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(4 << 10)
	}
	return c, err
}

// writes counts what the server writes to its clients.
type writes struct {
	net.Listener
	count *atomic.Int64
}

func (w writes) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return counted{c, w.count}, err
}

type counted struct {
	net.Conn
	count *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.count.Add(1)
	return c.Conn.Write(p)
}

func TestEverySmallAnswerIsOneWrite(t *testing.T) {
	t.Parallel()
	for _, sized := range []bool{true, false} {
		t.Run(fmt.Sprintf("sized=%v", sized), func(t *testing.T) {
			t.Parallel()
			up := newWire(t, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
			if !sized {
				up = newWire(t, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n")
			}
			var count atomic.Int64
			f := newFront(t, up.url(), func(s *setup) {
				s.listener = func(l net.Listener) net.Listener { return writes{l, &count} }
			})
			go func() {
				for range up.got {
				}
			}()
			for range 500 {
				resp, err := f.Client().Post(f.URL, "application/json", strings.NewReader("{}"))
				require.NoError(t, err)
				_, _ = io.ReadAll(resp.Body)
				resp.Body.Close()
				require.NoError(t, within(t, 5*time.Second, f.ends))
			}
			require.Equal(t, int64(500), count.Load())
		})
	}
}
