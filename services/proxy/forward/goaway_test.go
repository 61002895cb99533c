package forward_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/forward"
)

// frames is an HTTP/2 server by hand. Its first connection says GOAWAY to a request:
// that it did nothing about it, or that it may have.
type frames struct {
	net.Listener
	handled bool
	got     chan int // bytes of a whole body
}

func newFrames(t *testing.T, handled bool) (*frames, *httptest.Server) {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.EnableHTTP2 = true
	cert.StartTLS()
	t.Cleanup(cert.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	f := &frames{l, handled, make(chan int, 10)}
	go func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c, first)
		}
	}()
	return f, cert
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	h := []byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(h, stream), payload...)
}

func (f *frames) serve(c net.Conn, first bool) {
	defer c.Close()
	_, _ = io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	_, _ = c.Write(frame(4, 0, 0, nil))
	body := 0
	for {
		var h [9]byte
		if _, err := io.ReadFull(c, h[:]); err != nil {
			return
		}
		size := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
		stream := binary.BigEndian.Uint32(h[5:])
		if _, err := io.CopyN(io.Discard, c, int64(size)); err != nil {
			return
		}
		switch kind, flags := h[3], h[4]; {
		case kind == 4 && flags == 0:
			_, _ = c.Write(frame(4, 1, 0, nil))
		case kind == 0:
			body += size
			if first && body > 40<<10 {
				last := uint32(0)
				if f.handled {
					last = stream
				}
				_, _ = c.Write(frame(7, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), 0)))
				if f.handled {
					return
				}
			}
			if size > 0 && !first {
				more := binary.BigEndian.AppendUint32(nil, uint32(size))
				_, _ = c.Write(append(frame(8, 0, 0, more), frame(8, 0, stream, more)...))
			}
			if flags&1 != 0 {
				f.got <- body
				_, _ = c.Write(frame(1, 5, stream, []byte{0x88})) // :status 200
			}
		}
	}
}

func TestARequestThatTheServerDidNothingAboutIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, size := range []int{70 << 10, 100 << 10, 1 << 20} {
		for _, length := range []bool{true, false} {
			up, cert := newFrames(t, false)
			f := newFront(t, "https://"+up.Addr().String(), trusting(cert))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, bytes.NewReader(make([]byte, size)))
			require.NoError(t, err)
			if !length {
				r.ContentLength = -1
			}
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			resp.Body.Close()
			require.NoError(t, within(t, 5*time.Second, f.ends))
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, size, within(t, 5*time.Second, up.got))
		}
	}
}

func TestARequestThatMayHaveBeenHandledIsNotSentAgain(t *testing.T) {
	t.Parallel()
	up, cert := newFrames(t, true)
	f := newFront(t, "https://"+up.Addr().String(), trusting(cert))
	resp, err := http.Post(f.URL, "text/plain", bytes.NewReader(make([]byte, 70<<10)))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	err = within(t, 5*time.Second, f.ends)
	require.NotErrorIs(t, err, forward.ErrUnreachable)
	require.ErrorIs(t, err, forward.ErrRefused)
	require.Empty(t, up.got)
}
