package outbound_test

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/outbound"
)

// wire carries connections to a server. Those that it has when it is cut go deaf:
// nothing arrives any more, and nobody closes them.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	lines []*line
}

type line struct {
	net.Conn
	deaf chan struct{}
}

func (l *line) Write(p []byte) (int, error) {
	select {
	case <-l.deaf:
		return len(p), nil
	default:
		return l.Conn.Write(p)
	}
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{Listener: l, to: to}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			w.carry(from)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, l := range w.lines {
			_ = l.Close()
		}
	})
	return w
}

func (w *wire) carry(from net.Conn) {
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = from.Close()
		return
	}
	deaf := make(chan struct{})
	out, back := &line{to, deaf}, &line{from, deaf}
	w.mu.Lock()
	w.lines = append(w.lines, out, back)
	w.mu.Unlock()
	go func() { _, _ = io.Copy(out, from) }()
	go func() { _, _ = io.Copy(back, to) }()
}

// cut makes the connections deaf, and returns how many there are.
func (w *wire) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 0; i < len(w.lines); i += 2 {
		close(w.lines[i].deaf)
	}
	return len(w.lines) / 2
}

func TestTheRequestAfterOneWithoutAnswerUsesANewConnection(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	w := newWire(t, srv.Listener.Addr().String())
	client := outbound.Client(outbound.Transport(roots), 0)
	t.Cleanup(client.CloseIdleConnections)
	get := func(patience time.Duration) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.Addr().String(), nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}

	proto, err := get(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", proto)
	require.Equal(t, 1, w.cut())
	_, err = get(200 * time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = get(5 * time.Second)
	require.NoError(t, err)
}

func TestADeafConnectionIsFoundByItsPing(t *testing.T) {
	t.Parallel()
	c := outbound.Transport(nil).HTTP2
	require.Positive(t, c.SendPingTimeout)
	require.Positive(t, c.PingTimeout)
	require.Less(t, c.SendPingTimeout+c.PingTimeout, 10*time.Second, "an attempt has ten seconds")
}
