package api

import (
	"sync"
)

// A Frame is one event of the STATUS stream as the feed sends it.
type Frame struct {
	Sequence uint64
	Type     string
	Data     []byte // the CloudEvent, one line of JSON
}

// Feed hands the frames of the stream to everybody who listens, in order.
type Feed struct {
	mu        sync.Mutex
	last      uint64
	listeners map[chan Frame]struct{}
}

// NewFeed returns a feed that has sent nothing yet.
func NewFeed() *Feed { return &Feed{listeners: make(map[chan Frame]struct{})} }

// backlog is how far a listener may fall behind before it is sent away. It
// comes back with Last-Event-ID and reads what it missed from the stream.
const backlog = 1024

// Skip sets the position of the feed before its first frame.
func (f *Feed) Skip(last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = max(f.last, last)
}

// Send passes a frame on. It never waits.
func (f *Feed) Send(frame Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = frame.Sequence
	for l := range f.listeners {
		select {
		case l <- frame:
		default:
			delete(f.listeners, l)
			close(l)
		}
	}
}

// listen returns the frames after the returned sequence; the channel is closed
// when the listener is too slow.
func (f *Feed) listen() (frames chan Frame, last uint64) {
	frames = make(chan Frame, backlog)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[frames] = struct{}{}
	return frames, f.last
}

func (f *Feed) leave(frames chan Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.listeners[frames]; ok {
		delete(f.listeners, frames)
		close(frames)
	}
}
