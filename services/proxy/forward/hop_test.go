package forward_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

func TestWhatEndsAtThisHopBreaksNoRequest(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		for name, headers := range map[string]string{
			"TLS":                "Connection: Upgrade\nUpgrade: TLS/1.2\n",
			"TLS with HTTP2":     "Connection: Upgrade, HTTP2-Settings\nUpgrade: TLS/1.2, HTTP/1.1\nHTTP2-Settings: AAMAAABkAAQAAP__\n",
			"h2c":                "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n",
			"unknown":            "Connection: upgrade\nUpgrade: foo/2\n",
			"without Connection": "Upgrade: websocket\n",
			"two lines":          "Connection: close\nConnection: Upgrade\nUpgrade: foo\nUpgrade: bar\n",
			"named fields":       "Connection: Content-Type, X-Hop\nX-Hop: 1\n",
			"Proxy-Connection":   "Proxy-Connection: keep-alive\nKeep-Alive: timeout=5\n",
			"TE":                 "TE: gzip, trailers;q=0.5\n",
		} {
			t.Run(u.name+" "+name, func(t *testing.T) {
				t.Parallel()
				got := make(chan http.Header, 1)
				s := u.start(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
				t.Cleanup(s.Close)
				f := newFront(t, s.URL, trusting(s))
				answer := talk(t, f, "GET / HTTP/1.1\nHost: x\nX-Stay: 1\n"+headers+"Connection: close\n\n")
				require.True(t, strings.HasPrefix(answer, "HTTP/1.1 200 "), answer)
				h := within(t, 5*time.Second, got)
				for _, name := range []string{"Connection", "Upgrade", "Http2-Settings", "Keep-Alive", "Proxy-Connection", "X-Hop"} {
					require.Empty(t, h[name], name)
				}
				require.Equal(t, "1", h.Get("X-Stay"))
			})
		}
	}
}

func TestTrailersThatAreNoneAreDropped(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams {
		for _, name := range []string{"Connection", "Upgrade", "Keep-Alive", "Proxy-Connection", "TE", "Host", "Authorization", "Cookie", "X-Forwarded-For", "Content-Type"} {
			for _, ctype := range []string{"application/json", "text/plain"} {
				t.Run(u.name+" "+name+" "+ctype, func(t *testing.T) {
					t.Parallel()
					got := make(chan http.Header, 1)
					s := u.start(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.ReadAll(r.Body)
						got <- r.Trailer
					}))
					t.Cleanup(s.Close)
					f := newFront(t, s.URL, trusting(s))
					answer := talk(t, f, "POST / HTTP/1.1\nHost: x\nConnection: close\nContent-Type: "+ctype+
						"\nTransfer-Encoding: chunked\nTrailer: X-Sum, "+name+"\n\n2\n{}\n0\nX-Sum: 1\n"+name+": x\n\n")
					require.True(t, strings.HasPrefix(answer, "HTTP/1.1 200 "), answer)
					require.Equal(t, http.Header{"X-Sum": {"1"}}, within(t, 5*time.Second, got))
				})
			}
		}
	}
}

func TestHeadersThatTheUpstreamDoesNotAllowAreTheClientsFault(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.MaxHeaderBytes = 16 << 10
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, trusting(s))
	require.Equal(t, http.StatusNotFound, get(t, f.URL).StatusCode) // its limits are known now
	require.NoError(t, within(t, 5*time.Second, f.ends))
	var h strings.Builder
	for i := range 40 {
		_, _ = fmt.Fprintf(&h, "X-%d: %s\n", i, strings.Repeat("x", 1<<10))
	}
	answer := talk(t, f, "GET / HTTP/1.1\nHost: x\nConnection: close\n"+h.String()+"\n")
	require.True(t, strings.HasPrefix(answer, "HTTP/1.1 431 "), answer)
	require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrHeaderTooLarge)
}

func TestARequestThatHTTPDoesNotAllowIsTheClientsFault(t *testing.T) {
	t.Parallel()
	s := upstreams[2].start(http.NotFoundHandler())
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, trusting(s))
	answer := talk(t, f, "GET //a|b HTTP/1.1\nHost: x\nConnection: close\n\n")
	require.Regexp(t, "^HTTP/1.1 4", answer)
}

func TestWhatIsNotHTTPIsNotPassedOn(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"SSH-2.0-OpenSSH_9\n",
		"HTTP/1.1 OK\n\n",
		"HTTP/1.1 200 OK\nno colon\n\n",
		"HTTP/1.1 200 OK\nX: " + strings.Repeat("x", 2<<20) + "\n\n",
		"HTTP/1.1 200 OK\nContent-Length: x\n\n",
		"HTTP/1.1 200 OK\nTransfer-Encoding: gzip\n\n",
	} {
		f := newFront(t, newWire(t, answer).url())
		got := talk(t, f, "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
		require.True(t, strings.HasPrefix(got, "HTTP/1.1 502 "), got)
		require.ErrorIs(t, within(t, 5*time.Second, f.ends), forward.ErrInvalid, answer[:min(50, len(answer))])
	}
}

func TestTrailersOverHTTP2AreNotLostToALength(t *testing.T) {
	t.Parallel()
	s := upstreams[2].start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
		w.Header().Set("X-Sum", "1")
	}))
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, trusting(s))
	resp := get(t, f.URL)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "ok", string(body))
	require.Equal(t, int64(-1), resp.ContentLength)
	require.Equal(t, http.Header{"X-Sum": {"1"}}, resp.Trailer)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, f.URL, nil)
	require.NoError(t, err)
	resp, err = http.DefaultClient.Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, int64(2), resp.ContentLength, "there is nothing to lose")
	old := talk(t, f, "GET / HTTP/1.0\n\n")
	require.Contains(t, old, "Content-Length: 2\n")
}
