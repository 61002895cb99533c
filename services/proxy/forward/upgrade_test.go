package forward_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// opened is a tunnel: the client's end and the upstream's.
func opened(t *testing.T, secure bool) (client *net.TCPConn, upstream net.Conn) {
	t.Helper()
	ends := make(chan net.Conn, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			ends <- c
		}
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	f := newFront(t, s.URL, trusting(s))
	client = connect(t, f)
	send(t, client, "GET / HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	upstream = within(t, 5*time.Second, ends)
	t.Cleanup(func() { upstream.Close() })
	require.NoError(t, upstream.SetDeadline(time.Now().Add(10*time.Second)))
	return client, upstream
}

func ending(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	if errors.Is(err, syscall.ECONNRESET) {
		return syscall.ECONNRESET
	}
	return err
}

func TestATunnelPassesOnHowItsSideEnded(t *testing.T) {
	t.Parallel()
	for range 5 {
		client, upstream := opened(t, false)
		require.NoError(t, client.SetLinger(0))
		require.NoError(t, client.Close())
		require.Equal(t, syscall.ECONNRESET, ending(upstream))

		client, upstream = opened(t, false)
		require.NoError(t, upstream.(*net.TCPConn).SetLinger(0))
		require.NoError(t, upstream.Close())
		require.Equal(t, syscall.ECONNRESET, ending(client))

		client, upstream = opened(t, false)
		require.NoError(t, client.CloseWrite())
		require.Equal(t, io.EOF, ending(upstream))
		_, err := io.WriteString(upstream, "x")
		require.NoError(t, err)
		require.NoError(t, ending(client), "the other direction is open")
		require.NoError(t, upstream.Close())
		require.Equal(t, io.EOF, ending(client))

		client, upstream = opened(t, true)
		require.NoError(t, client.SetLinger(0))
		require.NoError(t, client.Close())
		require.Equal(t, syscall.ECONNRESET, ending(upstream))
	}
}
