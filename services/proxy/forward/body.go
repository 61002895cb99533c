package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SmallBody is the largest request body that is read before it is sent: it then
// goes out in one write with the headers, can be sent again if a pooled
// connection is dead, and shows the JSON-RPC method and id.
const SmallBody = 64 << 10

// bodyTimeout bounds how long a small body may take to arrive.
const bodyTimeout = 30 * time.Second

// setBody gives out the body of x's request, with the same framing.
func (u *Upstream) setBody(x *Exchange, out *http.Request) error {
	in := x.Request
	n := in.ContentLength
	if n == 0 {
		out.Body = http.NoBody
		return nil
	}
	switch {
	case u.maxBody > 0 && n > u.maxBody:
		return ErrBodyTooLarge
	case in.Header["Expect"] != nil:
		// The upstream decides whether the body is sent at all.
	case n > 0 && n <= SmallBody, n < 0 && isJSON(in.Header):
		whole, err := x.readSmall(u.bodyTimeout)
		if err != nil {
			return err
		}
		if whole {
			setBytes(out, x.Body)
			x.fullDuplex()
			return nil
		}
	}
	s := &streamed{from: in.Body, left: -1, max: u.maxBody}
	if n > 0 {
		s.left = n
	}
	if len(x.head) > 0 {
		s.head, x.head = x.head, nil
	}
	out.Body, x.streamed = s, s
	x.fullDuplex()
	return nil
}

// fullDuplex keeps the server from looking for the rest of the body before it
// sends an answer.
func (x *Exchange) fullDuplex() {
	_ = http.NewResponseController(x.Writer).EnableFullDuplex()
}

func isJSON(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "application/json")
}

// setBytes: the transport recognises a bytes.Reader and does not flush the
// headers on their own.
func setBytes(out *http.Request, b []byte) {
	out.Body = io.NopCloser(bytes.NewReader(b))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// readSmall reads a body into x.Body, or only its first bytes into x.head if the
// length is unknown and turns out to be large.
func (x *Exchange) readSmall(timeout time.Duration) (whole bool, err error) {
	rc := http.NewResponseController(x.Writer)
	_ = rc.SetReadDeadline(time.Now().Add(timeout))
	defer func() {
		if err == nil { // else the server would wait for the rest before it sends an answer
			_ = rc.SetReadDeadline(time.Time{})
		}
	}()
	in := x.Request
	if n := in.ContentLength; n > 0 {
		b := make([]byte, n)
		if _, err := io.ReadFull(in.Body, b); err != nil {
			return false, broken(err)
		}
		x.Body = b
		return true, nil
	}
	b, err := io.ReadAll(io.LimitReader(in.Body, SmallBody+1))
	switch {
	case err != nil:
		return false, broken(err)
	case len(b) > SmallBody:
		x.head = b
		return false, nil
	}
	x.Body = b
	return true, nil
}

func broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrBodyLate, err)
	}
	return fmt.Errorf("%w: %w", ErrBodyBroken, err)
}

// streamed is a body that is sent while it arrives. After its end it returns
// io.EOF without reading the connection: by then the server may read the next
// request from it, and an error there makes the transport drop the answer
// (golang/go#40747).
type streamed struct {
	mu   sync.Mutex
	head []byte // read already
	from io.ReadCloser
	left int64 // still expected, -1 unknown
	max  int64 // 0: any size
	seen int64
	err  error // sticky

	ended atomic.Bool // at its end, not at an error
}

func (s *streamed) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, s.count(n)
	}
	if s.left == 0 {
		s.err = io.EOF
		s.ended.Store(true)
		return 0, io.EOF
	}
	n, err := s.from.Read(p)
	if s.left > 0 {
		s.left -= int64(n)
	}
	if cerr := s.count(n); cerr != nil {
		return 0, cerr
	}
	if errors.Is(err, io.EOF) {
		s.ended.Store(true)
	} else if err != nil {
		err = broken(err)
	}
	s.err = err
	return n, err
}

// failure says why the body broke off; nil if it did not.
func (s *streamed) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

func (s *streamed) count(n int) error {
	s.seen += int64(n)
	if s.max > 0 && s.seen > s.max {
		s.err = ErrBodyTooLarge
		return s.err
	}
	return nil
}

// Close is the transport's; the server closes its body itself.
func (*streamed) Close() error { return nil }

// A body that the upstream did not read to its end is read on within these
// bounds, so that the client can read the answer.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Finish is the last call of a handler. It aborts the connection unless the
// client got a whole answer: the server would add an end, or an empty answer. A
// streamed body that has not ended is read or cut here, because in full duplex
// the server would take the rest of it for the next request, or panic.
func (x *Exchange) Finish() {
	if !x.Whole {
		panic(http.ErrAbortHandler)
	}
	s := x.streamed
	if s == nil || s.ended.Load() || x.Request.Context().Err() != nil {
		return
	}
	if x.out != nil {
		x.out.Flush()
	}
	rc := http.NewResponseController(x.Writer)
	_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, s, lingerBytes)
	if s.ended.Load() {
		_ = rc.SetReadDeadline(time.Time{})
		return
	}
	c, _, err := rc.Hijack()
	if err != nil {
		return
	}
	if x.chunked {
		_, _ = io.WriteString(c, "0\r\n\r\n")
	}
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c, 4*lingerBytes)
	_ = c.Close()
}
