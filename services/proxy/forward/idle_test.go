package forward_test

import (
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

func TestIdleConnectionsEndBeforeTheirServerEndsThem(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"timeout=5": 4 * time.Second, "timeout=5, max=100": 4 * time.Second, "max=100, Timeout = 72": 71 * time.Second,
		"timeout=1": 500 * time.Millisecond, "timeout=0": 0, `timeout="5"`: 4 * time.Second,
	} {
		got, ok := forward.KeepAliveLimit([]string{value})
		require.True(t, ok, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "max=1", "timeout", "timeout=", "timeout=-1", "timeout=soon", "timeout=99999999999999999999"} {
		_, ok := forward.KeepAliveLimit([]string{value})
		require.False(t, ok, value)
	}
}

func TestAConnectionIsClosedAfterTheTimeThatTheServerNames(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams[:2] {
		for _, body := range []string{"", "ok"} {
			t.Run(fmt.Sprintf("%s %q", u.name, body), func(t *testing.T) {
				t.Parallel()
				closed := make(chan net.Conn, 10)
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Keep-Alive", "timeout=1")
					_, _ = io.WriteString(w, body)
				}))
				s.Config.ConnState = func(c net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						closed <- c
					}
				}
				if u.name == "http/1.1" {
					s.Start()
				} else {
					s.StartTLS()
				}
				t.Cleanup(s.Close)
				f := newFront(t, s.URL, trusting(s))
				require.Empty(t, get(t, f.URL).Header.Get("Keep-Alive"))
				within(t, 10*time.Second, closed)
				resp, err := http.Post(f.URL, "text/plain", strings.NewReader("x"))
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, http.StatusOK, resp.StatusCode)
			})
		}
	}
}

func TestAServerThatClosesIdleConnectionsIsRemembered(t *testing.T) {
	t.Parallel()
	for _, u := range upstreams[:2] {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{}, 10)
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.IdleTimeout = 100 * time.Millisecond
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- struct{}{}
				}
			}
			if u.name == "http/1.1" {
				s.Start()
			} else {
				s.StartTLS()
			}
			t.Cleanup(s.Close)
			up := forward.New(forward.Options{URL: mustParse(t, s.URL), RootCAs: roots(s), ConnectTimeout: 5 * time.Second})
			t.Cleanup(up.CloseIdle)
			f := newFront(t, s.URL, func(c *setup) { c.upstream = up })
			require.False(t, forward.ClosesIdle(up))
			require.Equal(t, http.StatusNotFound, get(t, f.URL).StatusCode)
			within(t, 5*time.Second, closed)
			require.Eventually(t, func() bool { return forward.ClosesIdle(up) }, 5*time.Second, time.Millisecond)
		})
	}
}
