package forward

import (
	"errors"
	"io"
	"sync"
	"time"
)

// ahead reads the beginning of a body on its own, so that whoever waits for it
// can stop waiting. An aborted read would break the body's chunks.
type ahead struct {
	more chan struct{} // something was read
	done chan struct{} // closed when nothing more will be

	mu   sync.Mutex
	held []byte
	stop bool // after the read under way
	err  error
}

// readAhead returns the whole body if it is small and here within wait, else
// nil: it is then read from s, from its beginning.
func (s *streamed) readAhead(wait time.Duration) ([]byte, error) {
	a := &ahead{more: make(chan struct{}, 1), done: make(chan struct{})}
	s.ahead = a
	go a.read(s.from)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop = true
	switch {
	case errors.Is(a.err, io.EOF) && (s.max == 0 || int64(len(a.held)) <= s.max):
		dropForbidden(s.x.Request.Trailer, s.x.Credential)
		return append([]byte{}, a.held...), nil
	case a.err != nil && !errors.Is(a.err, io.EOF):
		return nil, broken(a.err)
	}
	return nil, nil
}

func (a *ahead) read(from io.Reader) {
	defer close(a.done)
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		a.mu.Lock()
		a.held = append(a.held, buf[:n]...)
		a.err = err
		end := err != nil || a.stop || len(a.held) > smallBody
		a.mu.Unlock()
		select {
		case a.more <- struct{}{}:
		default:
		}
		if end {
			return
		}
	}
}

// take waits for what was read. It is done when all of it was taken, and err is
// how the body ended, if it did.
func (a *ahead) take(p []byte) (n int, err error, done bool) { //nolint:revive // done is of the reading, not of the call
	for {
		ended := false
		select {
		case <-a.done:
			ended = true
		default:
		}
		a.mu.Lock()
		n = copy(p, a.held)
		a.held = a.held[n:]
		left, err := len(a.held), a.err
		a.mu.Unlock()
		switch {
		case ended && left == 0:
			return n, err, true
		case n > 0:
			return n, nil, false
		}
		select {
		case <-a.more:
		case <-a.done:
		}
	}
}
