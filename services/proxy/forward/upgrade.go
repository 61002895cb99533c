package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// tunnel hands both connections to each other after a 101 (RFC 9110 section 7.8).
func (x *Exchange) tunnel(resp *http.Response, wanted string) (Outcome, error) {
	defer resp.Body.Close()
	if got := resp.Header.Get("Upgrade"); wanted == "" || !strings.EqualFold(got, wanted) {
		return Unreachable, fmt.Errorf("the upstream switched to %q, the client asked for %q", got, wanted)
	}
	up, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		return Unreachable, errors.New("the upstream's connection cannot be written to after 101")
	}
	client, buffered, err := http.NewResponseController(x.Writer).Hijack()
	if err != nil {
		return Unreachable, fmt.Errorf("take over the client's connection: %w", err)
	}
	defer client.Close()

	x.Status = resp.StatusCode
	answer := http.Response{
		StatusCode: resp.StatusCode, Status: resp.Status,
		ProtoMajor: 1, ProtoMinor: 1, Header: resp.Header,
	}
	if err := answer.Write(buffered); err != nil {
		return ClientGone, err
	}
	if err := buffered.Flush(); err != nil {
		return ClientGone, err
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, buffered) // the reader may hold the first frames
		closeWrite(up)
	}()
	x.Bytes, _ = io.Copy(client, up)
	closeWrite(client)
	// The upstream has ended. What the client still sends has nowhere to go.
	_ = client.Close()
	<-done
	return Upgraded, nil
}

// closeWrite passes an end on without ending the other direction.
func closeWrite(c io.Closer) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
		return
	}
	if _, ok := c.(net.Conn); !ok {
		_ = c.Close()
	}
}
