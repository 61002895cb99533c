package forward_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

// half sends raw bytes, says that no more will come, and returns all that the
// proxy sends until it closes the connection, in whichever way.
func half(t *testing.T, f *front, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n"))
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	answer, _ := io.ReadAll(c)
	return strings.ReplaceAll(string(answer), "\r\n", "\n")
}

func TestAStatusThatNoServerMaySendIsRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"000", "007", "099"} {
		f := newFront(t, newWire(t, "HTTP/1.1 "+status+" Odd\nContent-Length: 2\n\nok").url())
		got := talk(t, f, "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
		require.True(t, strings.HasPrefix(got, "HTTP/1.1 502 "), got)
		err := within(t, 5*time.Second, f.ends)
		require.ErrorIs(t, err, forward.ErrInvalid)
		require.ErrorContains(t, err, "its status is "+status)
	}
}

func TestASwitchThatNobodyAskedForIsRefused(t *testing.T) {
	t.Parallel()
	f := newFront(t, newWire(t, "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: odd\n\n").url())
	got := talk(t, f, "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 502 "), got)
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrInvalid)
}

func TestABodyThatDoesNotArriveIsTimedOut(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"small":        "POST / HTTP/1.1\nHost: x\nContent-Length: 10\n\n{\"a\"",
		"chunked JSON": "POST / HTTP/1.1\nHost: x\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n3\n{\"a\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newWire(t, okAnswer)
			f := newFront(t, up.url(), func(s *setup) { s.options.BodyTimeout = 20 * time.Millisecond })
			got := talk(t, f, request) // and the connection is closed
			require.True(t, strings.HasPrefix(got, "HTTP/1.1 408 "), got)
			require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrBodyLate)
			require.Empty(t, up.got)
		})
	}
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"small":        "POST / HTTP/1.1\nHost: x\nContent-Length: 10\n\n{\"a\"",
		"chunked JSON": "POST / HTTP/1.1\nHost: x\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n3\n{\"a\n",
		"large":        "POST / HTTP/1.1\nHost: x\nContent-Length: 100000\n\n{\"a\"",
		"chunked":      "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\n{\"a\n",
		"no chunk":     "POST / HTTP/1.1\nHost: x\nContent-Type: application/json\nTransfer-Encoding: chunked\n\nx\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL)
			got := half(t, f, request)
			require.True(t, strings.HasPrefix(got, "HTTP/1.1 400 "), got)
			require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrBodyBroken)
		})
	}
}

func TestNoAnswerIsMadeUpForAClientThatHalfCloses(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "part")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	f := newFront(t, s.URL)
	got := half(t, f, "POST /silent HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}")
	require.Empty(t, got)
	got = half(t, f, "GET /begun HTTP/1.1\nHost: x\n\n")
	require.NotContains(t, got, "0\n\n", "no end")
}

func TestAnAnswerThatIsCutDuringAnUploadHasNoEnd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	passed := make(chan struct{})
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(c, make([]byte, 1<<10))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n")
		<-passed
		c.Close()
	}()
	f := newFront(t, "http://"+l.Addr().String())
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 1<<20, bytes.Repeat([]byte("x"), 2<<10))
	require.NoError(t, err)
	var got []byte
	for !bytes.Contains(got, []byte(`{"a":`)) {
		b := make([]byte, 1<<10)
		n, err := c.Read(b)
		require.NoError(t, err)
		got = append(got, b[:n]...)
	}
	close(passed)
	rest, _ := io.ReadAll(c)
	require.NotContains(t, string(got)+string(rest), "\r\n0\r\n\r\n")
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrCut)
}

func TestAnAnswerMayWaitAndMayBeReplaced(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		for _, replace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s replaced=%v", u.name, replace), func(t *testing.T) {
				t.Parallel()
				body := strings.Repeat("answer ", 20<<10)
				s := u.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
					w.Header().Set("X-From-Upstream", "1")
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, body)
				}))
				t.Cleanup(s.Close)
				sent, decided := make(chan struct{}), make(chan struct{})
				f := newFront(t, s.URL, trusting(s), func(c *setup) {
					c.between = func(x *forward.Exchange, _ *http.Response) bool {
						close(sent)
						<-decided
						if replace {
							http.Error(x.Writer, "ours", http.StatusServiceUnavailable)
							x.Status, x.Whole = http.StatusServiceUnavailable, true
						}
						return !replace
					}
				})
				got := make(chan *http.Response, 1)
				go func() {
					resp, err := http.Post(f.URL, "application/json", strings.NewReader(`{"id":1}`))
					if err == nil {
						got <- resp
					}
				}()
				within(t, 5*time.Second, sent)
				select {
				case <-got:
					require.FailNow(t, "the client got an answer before it was decided")
				default:
				}
				close(decided)
				resp := within(t, 5*time.Second, got)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				if replace {
					require.Equal(t, 503, resp.StatusCode)
					require.Equal(t, "ours\n", string(text))
					require.Empty(t, resp.Header.Get("X-From-Upstream"))
				} else {
					require.Equal(t, 401, resp.StatusCode)
					require.Equal(t, body, string(text))
				}
				require.NoError(t, within(t, 5*time.Second, f.ends))
			})
		}
	}
}
