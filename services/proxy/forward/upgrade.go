package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// tunnel connects both sides after a 101 (RFC 9110 section 7.8).
func (x *Exchange) tunnel(resp *http.Response) error {
	up, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		return fmt.Errorf("%w: its connection cannot be written to after 101", ErrUnreachable)
	}
	client, buffered, err := http.NewResponseController(x.Writer).Hijack()
	if err != nil {
		return fmt.Errorf("%w: take over its connection: %w", ErrClientGone, err)
	}
	defer client.Close()

	x.Status = resp.StatusCode
	answer := http.Response{
		StatusCode: resp.StatusCode, Status: resp.Status,
		ProtoMajor: 1, ProtoMinor: 1, Header: resp.Header,
	}
	if err := answer.Write(buffered); err != nil {
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := io.Copy(up, buffered) // the reader may hold the first frames
		switch {
		case err == nil:
			closeWrite(up)
		case !errors.Is(err, net.ErrClosed): // that was done here
			reset(x.conn)
			_ = up.Close()
		}
	}()
	if x.Bytes, err = io.Copy(client, up); err == nil {
		closeWrite(client)
	} else {
		reset(client)
	}
	// The upstream has closed: what the client still sends cannot be delivered.
	_ = client.Close()
	<-done
	x.Whole = true
	return nil
}

// reset closes c with a reset, as its other side was, and without the end that
// TLS would add.
func reset(c net.Conn) {
	if own, ok := c.(*conn); ok {
		if own == nil {
			return
		}
		c = own.Conn
	}
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
		_ = c.Close()
	}
}

// closeWrite ends one direction and leaves the other open.
func closeWrite(c io.Closer) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
		return
	}
	if _, ok := c.(net.Conn); !ok {
		_ = c.Close()
	}
}
