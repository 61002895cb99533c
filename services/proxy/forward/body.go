package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
)

// smallBody is the largest request body that is read before it is sent: it then
// goes out in one write with the headers, can be sent again if a pooled
// connection is dead, and shows the JSON-RPC method and id.
const smallBody = 64 << 10

const (
	// bodyTimeout bounds how long a small body may take to arrive, and how long a
	// larger one may pause before its answer has begun.
	bodyTimeout = 30 * time.Second
	// patience is how long a JSON body of unknown length is waited for. Then it
	// streams: it may be one side of a conversation.
	patience = 100 * time.Millisecond
)

// Receive reads x's request body if it is small. A caller that chooses the
// credential afterwards chooses the newest.
func (u *Upstream) Receive(x *Exchange) error {
	x.received = true
	in := x.Request
	n := in.ContentLength
	switch {
	case n == 0:
		return nil
	case u.maxBody > 0 && n > u.maxBody:
		return ErrBodyTooLarge
	case n > 0 && n <= smallBody && in.Header["Expect"] == nil:
		b, err := receiveSized(x, int(n), u.bodyTimeout)
		if err != nil {
			return x.failed(err)
		}
		x.Body = b
		x.fullDuplex()
		return nil
	}
	s := newStreamed(x, u)
	x.streamed = s
	x.fullDuplex()
	// With Expect the upstream decides whether the body is sent at all.
	if n > 0 || !x.MCP || in.Header["Expect"] != nil || !isJSON(in.Header) {
		return nil
	}
	b, err := s.readAhead(patience)
	if err != nil {
		return x.failed(err)
	}
	if b != nil {
		x.Body, x.streamed = b, nil
	}
	return nil
}

// fullDuplex keeps the server from looking for the rest of the body before it
// sends an answer.
func (x *Exchange) fullDuplex() {
	_ = http.NewResponseController(x.Writer).EnableFullDuplex()
}

func isJSON(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// receiveSized reads a body of known length. After an error the deadline stays:
// the server would wait for the rest before it sends an answer.
func receiveSized(x *Exchange, n int, timeout time.Duration) ([]byte, error) {
	rc := http.NewResponseController(x.Writer)
	_ = rc.SetReadDeadline(time.Now().Add(timeout))
	b := make([]byte, n)
	if _, err := io.ReadFull(x.Request.Body, b); err != nil {
		return nil, broken(err)
	}
	_ = rc.SetReadDeadline(time.Time{})
	return b, nil
}

// setBody gives out the body of x's request, with the same framing.
func (x *Exchange) setBody(out *http.Request) {
	switch {
	case x.streamed != nil:
		out.Body, out.GetBody = x.streamed, x.streamed.again
	case x.Body != nil:
		setBytes(out, x.Body)
	default:
		out.Body = http.NoBody
	}
}

// setBytes: the transport recognises a bytes.Reader and does not flush the
// headers on their own.
func setBytes(out *http.Request, b []byte) {
	out.Body = io.NopCloser(bytes.NewReader(b))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrBodyLate, err)
	}
	return fmt.Errorf("%w: %w", ErrBodyBroken, err)
}
