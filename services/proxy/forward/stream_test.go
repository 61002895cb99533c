package forward_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

// upstreams of both versions of HTTP and both kinds of connection.
var upstreams = []struct {
	name  string
	start func(h http.Handler) *httptest.Server
}{
	{"http/1.1", httptest.NewServer},
	{"https/1.1", httptest.NewTLSServer},
	{"h2", func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.EnableHTTP2 = true
		s.StartTLS()
		return s
	}},
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestHeadersAndEveryEventArriveAtOnce(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			events := make(chan string)
			s := u.start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for {
					_ = http.NewResponseController(w).Flush()
					e, more := <-events
					if !more {
						return
					}
					_, _ = io.WriteString(w, e)
				}
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, trusting(s))
			resp := get(t, f.URL) // the headers are here before the first event
			in := bufio.NewReader(resp.Body)
			for i := range 20 {
				want := fmt.Sprintf("data: %d\n\n", i)
				events <- want
				got := make([]byte, len(want))
				_, err := io.ReadFull(in, got)
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			close(events)
			rest, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, within(t, 5*time.Second, f.ends))
		})
	}
}

func trusting(s *httptest.Server) func(*setup) {
	return func(c *setup) { c.options.RootCAs = roots(s) }
}

func roots(s *httptest.Server) *x509.CertPool {
	if tr, ok := s.Client().Transport.(*http.Transport); ok && tr.TLSClientConfig != nil {
		return tr.TLSClientConfig.RootCAs
	}
	return nil
}

func TestABodyOfKnownLengthThatIsLateDoesNotHoldTheHeadersBack(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			s := u.start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "4")
				_ = http.NewResponseController(w).Flush()
				<-release
				_, _ = io.WriteString(w, "ab")
				_ = http.NewResponseController(w).Flush()
				<-release
				_, _ = io.WriteString(w, "cd")
			}))
			t.Cleanup(s.Close)
			resp := get(t, newFront(t, s.URL, trusting(s)).URL)
			require.Equal(t, int64(4), resp.ContentLength)
			half := make([]byte, 2)
			release <- struct{}{}
			_, err := io.ReadFull(resp.Body, half)
			require.NoError(t, err)
			release <- struct{}{}
			_, err = io.ReadFull(resp.Body, half)
			require.NoError(t, err)
			require.Equal(t, "cd", string(half))
		})
	}
}

// A plain httputil.ReverseProxy cuts about 2 % of these (golang/go#40747).
func TestNoOneEventAnswerIsCutShort(t *testing.T) {
	t.Parallel()
	total := 1000
	if os.Getenv("SOAK") != "" {
		total = 10000
	}
	const event = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"
	for _, body := range []struct {
		name   string
		length int64
		ctype  string
	}{{"small", 40, "application/json"}, {"chunked", -1, "application/json"}, {"streamed", -1, "text/plain"}, {"large", 70 << 10, "application/json"}} {
		t.Run(body.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream") // answers before it reads the body
				_, _ = io.WriteString(w, event)
				_ = http.NewResponseController(w).Flush()
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
			t.Cleanup(client.CloseIdleConnections)
			size := max(int(body.length), 40)
			var wg sync.WaitGroup
			var mu sync.Mutex
			cut := 0
			for range 20 {
				wg.Go(func() {
					for range total / 20 / 4 {
						r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, bytes.NewReader(make([]byte, size)))
						if err != nil {
							panic(err)
						}
						r.ContentLength = body.length
						r.Header.Set("Content-Type", body.ctype)
						resp, err := client.Do(r)
						if err == nil {
							var got []byte
							got, err = io.ReadAll(resp.Body)
							resp.Body.Close()
							if err == nil && string(got) != event {
								err = fmt.Errorf("got %q", got)
							}
						}
						if err != nil {
							mu.Lock()
							cut++
							mu.Unlock()
							t.Log(err)
						}
					}
				})
			}
			wg.Wait()
			require.Zero(t, cut)
		})
	}
}

func TestAClientThatLeavesEndsTheUpstreamRequest(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s answered=%v", u.name, answered), func(t *testing.T) {
				t.Parallel()
				arrived, left := make(chan struct{}), make(chan struct{})
				s := u.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
					if answered {
						_, _ = io.WriteString(w, "data: 1\n\n")
						_ = http.NewResponseController(w).Flush()
					}
					close(arrived)
					<-r.Context().Done()
					close(left)
				}))
				t.Cleanup(s.Close)
				f := newFront(t, s.URL, trusting(s))
				ctx, leave := context.WithCancel(t.Context())
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL, strings.NewReader(`{"id":1}`))
				require.NoError(t, err)
				go func() {
					resp, err := http.DefaultClient.Do(r)
					if err == nil {
						_, _ = io.ReadAll(resp.Body)
						resp.Body.Close()
					}
				}()
				within(t, 5*time.Second, arrived)
				leave()
				within(t, 5*time.Second, left)
				require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrClientGone)
			})
		}
	}
}

func TestAnAnswerThatTheUpstreamCutsIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	up := newWire(t, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n4\nhalf\n")
	f := newFront(t, up.url())
	resp := get(t, f.URL)
	_, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrCut)
}

func TestALargeBodyStreamsAndTheAnswerMayComeFirst(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			s := u.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				_ = http.NewResponseController(w).Flush()
				_, _ = io.Copy(flushing{w}, r.Body)
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, trusting(s))
			in, out := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, in)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			block := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
			for range 4 {
				go func() { _, _ = out.Write(block) }()
				got := make([]byte, len(block))
				_, err := io.ReadFull(resp.Body, got)
				require.NoError(t, err)
				require.True(t, bytes.Equal(block, got))
			}
			require.NoError(t, out.Close())
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Empty(t, rest)
		})
	}
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, func(c *setup) { c.options.MaxBody = 100 << 10 })
	for _, length := range []int64{200 << 10, -1} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, io.LimitReader(zeros{}, 200<<10))
		require.NoError(t, err)
		r.ContentLength = length
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrBodyTooLarge)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestASmallBodyIsSentAgainWhenAPooledConnectionWasDead(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	var conns sync.Map
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
	}))
	s.Config.ConnState = func(c net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Store(c, true)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	f := newFront(t, s.URL)
	for i := range 5 {
		resp, err := http.Post(f.URL, "application/json", strings.NewReader(fmt.Sprint(i)))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, fmt.Sprint(i), within(t, 5*time.Second, bodies))
		conns.Range(func(c, _ any) bool {
			if tc, ok := c.(*net.TCPConn); ok {
				_ = tc.SetLinger(0)
				_ = tc.Close()
			}
			conns.Delete(c)
			return true
		})
	}
}

func TestAnUpgradeIsATunnel(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			s := u.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Authorization") != "Bearer ours" {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				c, buf, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: 1\r\n\r\nhello ")
				_, _ = io.Copy(c, buf)
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, trusting(s))
			c, err := net.Dial("tcp", f.Listener.Addr().String())
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nearly ")
			require.NoError(t, err)
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			require.Equal(t, "1", resp.Header.Get("X"))
			_, err = io.WriteString(c, "late")
			require.NoError(t, err)
			require.NoError(t, c.(*net.TCPConn).CloseWrite())
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Equal(t, "hello early late", string(got))
			require.NoError(t, within(t, 5*time.Second, f.ends))
		})
	}
}

func TestAnUpstreamMayRefuseABodyBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(s.Close)
	got := talk(t, newFront(t, s.URL), "POST / HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 10\nConnection: close\n\n")
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 403 Forbidden\n"), got)
}

func TestTheUpstreamsCertificateIsChecked(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	f := newFront(t, s.URL)
	require.Equal(t, http.StatusBadGateway, get(t, f.URL).StatusCode)
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrUnreachable)
}
