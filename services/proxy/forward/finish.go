package forward

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A body that the upstream did not read to its end is read on within these
// bounds, so that the client comes to read the answer.
const (
	lingerTime  = 5 * time.Second
	lingerPause = 500 * time.Millisecond // nothing came for that long
)

// LeaveBody is for a caller that answers itself: the answer, which has a
// Content-Length, does not wait for what is left of the request's body.
func (x *Exchange) LeaveBody() {
	if x.streamed != nil || x.Body != nil || x.Request.ContentLength == 0 {
		return
	}
	x.received = true
	x.streamed = newStreamed(x, &Upstream{})
	x.fullDuplex()
}

// Glance reads the request's body if it is small and already here, for a caller
// that answers itself.
func (x *Exchange) Glance() {
	if n := x.Request.ContentLength; x.received || n > smallBody || x.Request.Header["Expect"] != nil {
		return
	}
	if x.LeaveBody(); x.streamed == nil {
		return
	}
	if b, err := x.streamed.readAhead(patience); err == nil && b != nil {
		x.Body, x.streamed = b, nil
	}
}

// Finish is the last call of a handler. It aborts the connection unless the
// client got a whole answer: the server would add an end, or an empty answer. A
// streamed body that has not ended is read or cut here, because in full duplex
// the server would take the rest of it for the next request, or panic.
func (x *Exchange) Finish() {
	if x.stop != nil {
		x.stop()
		x.cancel(nil)
	}
	if !x.Whole {
		x.abort()
	}
	s := x.streamed
	if s == nil || s.ended.Load() {
		return
	}
	left := s.takeOver()
	if x.out, _ = x.Writer.(flusher); x.out != nil {
		_ = x.out.FlushError()
	}
	until := time.Now().Add(lingerTime)
	soon := func() time.Time {
		if t := time.Now().Add(lingerPause); t.Before(until) {
			return t
		}
		return until
	}
	if discard(left, s.rc.SetReadDeadline, soon, until); s.ended.Load() {
		_ = s.rc.SetReadDeadline(time.Time{})
		return
	}
	c, _, err := s.rc.Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	if x.chunked {
		x.endChunks(c)
	}
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	discard(c, c.SetReadDeadline, soon, until)
}

// abort ends the connection without an end of the answer. Whoever still reads
// the request's body ends first: the server uses its buffers again.
func (x *Exchange) abort() {
	_ = http.NewResponseController(x.Writer).SetReadDeadline(time.Unix(1, 0))
	if s := x.streamed; s != nil {
		_ = s.Close()
		s.mu.Lock()
		if s.ahead != nil {
			<-s.ahead.done
		}
		s.mu.Unlock()
	}
	panic(http.ErrAbortHandler)
}

// discard reads on until the end, or until nothing came for a while.
func discard(from io.Reader, deadline func(time.Time) error, soon func() time.Time, until time.Time) {
	buf := largeBuffers.Get().(*[32 << 10]byte) //nolint:errcheck // the pool holds nothing else
	defer largeBuffers.Put(buf)
	for time.Now().Before(until) {
		if deadline(soon()) != nil {
			return
		}
		if _, err := from.Read(buf[:]); err != nil {
			return
		}
	}
}

// endChunks writes what the server would have: its connection has been taken over.
func (x *Exchange) endChunks(c net.Conn) {
	var end strings.Builder
	end.WriteString("0\r\n")
	trailers := http.Header{}
	for k, v := range x.Writer.Header() {
		if name, ok := strings.CutPrefix(k, http.TrailerPrefix); ok {
			trailers[name] = v
		}
	}
	_ = trailers.Write(&end)
	end.WriteString("\r\n")
	_ = c.SetWriteDeadline(time.Now().Add(lingerTime))
	_, _ = io.WriteString(c, end.String())
}
