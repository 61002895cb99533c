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
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

func TestAnUploadThatPausesDoesNotHideTheUpstreamsReset(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		for name, request := range map[string]string{
			"sized":   "POST / HTTP/1.1\nHost: x\nContent-Length: 1000000\n\nbegin",
			"chunked": "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\nbegin\n",
		} {
			t.Run(u.name+" "+name, func(t *testing.T) {
				t.Parallel()
				s := u.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadFull(r.Body, make([]byte, 5))
					if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
						c.Close()
					}
					panic(http.ErrAbortHandler)
				}))
				t.Cleanup(s.Close)
				f := newFront(t, s.URL, trusting(s))
				c := connect(t, f)
				send(t, c, request)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusBadGateway, resp.StatusCode)
				err = within(t, 5*time.Second, f.ends)
				if u.name == "h2" {
					require.ErrorIs(t, err, forward.ErrRefused)
				} else {
					require.ErrorIs(t, err, forward.ErrEnded)
				}
			})
		}
	}
}

func TestAnEarlyAnswerToALargeBodyIsSeen(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{true, false} {
		t.Run(fmt.Sprintf("close=%v", closes), func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						in := bufio.NewReader(c)
						for {
							r, err := http.ReadRequest(in)
							if err != nil {
								return
							}
							_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\ndenied")
							if closes {
								return
							}
							_, _ = io.Copy(io.Discard, r.Body)
						}
					}()
				}
			}()
			f := newFront(t, "http://"+l.Addr().String())
			body := bytes.Repeat([]byte("x"), 8<<20)
			var wg sync.WaitGroup
			seen := make(chan string, 30)
			for range 3 {
				wg.Go(func() {
					for range 10 {
						seen <- upload(f, body)
					}
				})
			}
			wg.Wait()
			for range 30 {
				require.Equal(t, "401 denied", <-seen)
			}
		})
	}
}

// upload sends all of a body before it reads the answer, as some clients do.
func upload(f *front, body []byte) string {
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
	_, _ = c.Write(body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}

func TestTrailersComeBeforeTheEndThatALongUploadCuts(t *testing.T) {
	t.Parallel()
	l := newWireUntil(t, "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
	f := newFront(t, "http://"+l.Addr().String())
	c := connect(t, f)
	send(t, c, "POST / HTTP/1.1\nHost: x\nContent-Length: 1000000\n\nbegin")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "ok", string(body))
	require.Equal(t, http.Header{"X-Sum": {"1"}}, resp.Trailer)
}

// newWireUntil answers at once, and keeps its connections open.
func newWireUntil(t *testing.T, answer string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l
}

func TestAConversationIsNotHeldBackForAMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ctype string
		mcp   bool
	}{{"application/json-seq", true}, {"application/json", false}, {"application/json", true}, {"application/jsonl; charset=utf-8", true}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				_, _ = io.Copy(flushing{w}, r.Body)
			}))
			t.Cleanup(s.Close)
			f := newFront(t, s.URL, func(s *setup) { s.plain = !c.mcp; s.options.BodyTimeout = time.Minute })
			in, out := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, in)
			require.NoError(t, err)
			r.Header.Set("Content-Type", c.ctype)
			got := make(chan *http.Response, 1)
			go func() {
				resp, err := http.DefaultClient.Do(r)
				if err == nil {
					got <- resp
				}
			}()
			_, err = io.WriteString(out, "ping\n")
			require.NoError(t, err)
			resp := within(t, 5*time.Second, got)
			defer resp.Body.Close()
			lines := bufio.NewReader(resp.Body)
			for i := range 3 {
				line, err := lines.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, strings.Repeat("ping", 1)+"\n", line, i)
				_, err = io.WriteString(out, "ping\n")
				require.NoError(t, err)
			}
			require.NoError(t, out.Close())
			rest, err := io.ReadAll(lines)
			require.NoError(t, err)
			require.Equal(t, "ping\n", string(rest))
			require.NoError(t, within(t, 5*time.Second, f.ends))
		})
	}
}

func TestAnUploadMayNotPauseForEverBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, func(s *setup) { s.options.BodyTimeout = 50 * time.Millisecond })
	got := talk(t, f, "POST / HTTP/1.1\nHost: x\nContent-Length: 1000000\n\nbegin")
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 408 "), got)
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrBodyLate)
}
