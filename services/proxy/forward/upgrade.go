package forward

import (
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
		_, _ = io.Copy(up, buffered) // the reader may hold the first frames
		closeWrite(up)
	}()
	x.Bytes, _ = io.Copy(client, up)
	closeWrite(client)
	// The upstream has closed: what the client still sends cannot be delivered.
	_ = client.Close()
	<-done
	x.Whole = true
	return nil
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
