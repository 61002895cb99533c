package forward

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// keptBody is how much of a body is kept to be sent again over HTTP/2: what fits
// into the window that most servers grant a stream, and the frame that waits.
const keptBody = 128 << 10

var errStopped = errors.New("the upstream reads no more of the request body")

// streamed is a body that is sent while it arrives. After its end it returns
// io.EOF without reading the connection: by then the server may read the next
// request from it, and an error there makes the transport drop the answer
// (golang/go#40747).
type streamed struct {
	x     *Exchange
	rc    *http.ResponseController
	pause time.Duration // how long nothing may come before the answer has begun

	mu    sync.Mutex
	from  io.ReadCloser
	ahead *ahead // nil: from is read directly
	left  int64  // still expected, -1 unknown
	max   int64  // 0: any size
	seen  int64
	err   error  // sticky
	kept  []byte // all that was read, if it can be sent again
	head  []byte // of kept: to be read again

	ended atomic.Bool // at its end, not at an error

	gate     sync.Mutex // of what follows; never held while reading
	reading  bool
	stopped  bool
	answered bool // the answer has begun: it may be a conversation
	keep     bool
	over     bool // only what is discarded is read
}

func newStreamed(x *Exchange, u *Upstream) *streamed {
	s := &streamed{
		x: x, rc: http.NewResponseController(x.Writer), pause: u.bodyTimeout,
		from: x.Request.Body, left: -1, max: u.maxBody,
	}
	if n := x.Request.ContentLength; n > 0 {
		s.left = n
	}
	return s
}

func (s *streamed) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if !s.enter() {
		return 0, errStopped
	}
	n, err := s.read(p)
	if !s.leave() || err == nil || s.ended.Load() {
		return n, err
	}
	if s.left >= 0 && errors.Is(err, ErrBodyLate) {
		s.err = nil // without chunks it can be read on
	}
	return n, errStopped
}

func (s *streamed) read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.left == 0 {
		s.end()
		return 0, io.EOF
	}
	n, err := s.next(p)
	if s.left > 0 {
		s.left -= int64(n)
	}
	s.seen += int64(n)
	s.remember(p[:n])
	switch {
	case s.max > 0 && s.seen > s.max:
		s.err = ErrBodyTooLarge
		return 0, s.err
	case errors.Is(err, io.EOF):
		s.end()
	case err != nil:
		s.err = broken(err)
	}
	return n, s.err
}

// next reads what came first.
func (s *streamed) next(p []byte) (int, error) {
	if s.ahead == nil {
		return s.from.Read(p)
	}
	n, err, done := s.ahead.take(p)
	if done {
		s.ahead = nil
	}
	if n == 0 && err == nil {
		return s.from.Read(p)
	}
	return n, err
}

func (s *streamed) end() {
	s.err = io.EOF
	s.ended.Store(true)
	dropForbidden(s.x.Request.Trailer, s.x.Credential)
	_ = s.rc.SetReadDeadline(time.Time{})
}

// enter reports whether the connection may be read, and sets its deadline.
func (s *streamed) enter() bool {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.stopped || s.over {
		return false
	}
	s.reading = true
	if !s.answered && !s.ended.Load() {
		_ = s.rc.SetReadDeadline(time.Now().Add(s.pause))
	}
	return true
}

func (s *streamed) leave() (stopped bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.reading = false
	return s.stopped
}

// begun takes the limit off pauses: the client may be waiting for more of the
// answer.
func (s *streamed) begun() {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.answered = true
	if !s.stopped && !s.over {
		_ = s.rc.SetReadDeadline(time.Time{})
	}
}

// Close is called when the upstream takes no more. A read that waits for the
// client would keep the transport from saying so; the body itself is the
// server's to close.
func (s *streamed) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.over || s.ended.Load() {
		return nil
	}
	s.stopped = true
	if s.reading {
		s.x.interrupted.Store(true)
		_ = s.rc.SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// takeOver ends the reading for the upstream. What it returns reads what is left.
func (s *streamed) takeOver() io.Reader {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.over = true
	return rest{s}
}

type rest struct{ s *streamed }

func (r rest) Read(p []byte) (int, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.read(p)
}

// failure says why the body broke off; nil if it did not.
func (s *streamed) failure() error {
	s.gate.Lock()
	stopped := s.stopped
	s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if stopped && errors.Is(s.err, ErrBodyLate) || errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// keepFor keeps what is read while it goes over HTTP/2: its servers may say of a
// request that they did nothing about it (RFC 9113 section 8.7).
func (s *streamed) keepFor(http2 bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.keep = http2
}

func (s *streamed) remember(p []byte) {
	s.gate.Lock()
	keep := s.keep
	s.gate.Unlock()
	if keep && s.seen <= keptBody {
		s.kept = append(s.kept, p...)
	} else {
		s.kept = nil
	}
}

// again implements GetBody.
func (s *streamed) again() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if int64(len(s.kept)) != s.seen || s.err != nil && !s.ended.Load() {
		return nil, errStopped
	}
	s.head, s.stopped = s.kept, false
	return s, nil
}
