package api

import (
	"fmt"
	"sync"

	"github.com/authwatch/authwatch/services/internal/bus"
)

// A frame is one event of the STATUS stream as the feed sends it.
type frame struct {
	sequence uint64
	typ      string
	data     []byte // the CloudEvent, one line of JSON
}

func frameOf(m bus.Message) (frame, error) {
	data, err := m.Event.MarshalJSON()
	if err != nil {
		return frame{}, fmt.Errorf("encode %s: %w", m.Event.ID(), err)
	}
	return frame{sequence: m.Sequence, typ: m.Event.Type(), data: data}, nil
}

// Feed sends the frames of the stream to every listener, in order.
type Feed struct {
	mu        sync.Mutex
	last      uint64
	listeners map[chan frame]*int64 // the bytes that wait in it
}

// NewFeed returns a feed that has sent nothing yet.
func NewFeed() *Feed { return &Feed{listeners: make(map[chan frame]*int64)} }

// How far a listener may fall behind before it is disconnected, in frames and in
// bytes. It reconnects with Last-Event-ID and gets what it missed from the stream.
const (
	backlog      = 64
	backlogBytes = 64 << 10
)

// Skip sets the position of the feed before its first frame.
func (f *Feed) Skip(last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = max(f.last, last)
}

// Send never waits, and encodes only if there is a listener.
func (f *Feed) Send(m bus.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.Sequence <= f.last { // the stream was created anew
		for l := range f.listeners {
			delete(f.listeners, l)
			close(l)
		}
	}
	f.last = m.Sequence
	if len(f.listeners) == 0 {
		return nil
	}
	one, err := frameOf(m)
	if err != nil {
		return err
	}
	for l, waiting := range f.listeners {
		size := int64(len(one.data))
		if *waiting == 0 || *waiting+size <= backlogBytes {
			select {
			case l <- one:
				*waiting += size
				continue
			default:
			}
		}
		delete(f.listeners, l)
		close(l)
	}
	return nil
}

// listen returns the frames after the returned sequence; the channel is closed
// when the listener is too slow.
func (f *Feed) listen() (frames chan frame, last uint64) {
	frames = make(chan frame, backlog)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[frames] = new(int64)
	return frames, f.last
}

// took says that a listener has written a frame.
func (f *Feed) took(frames chan frame, one frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if waiting, ok := f.listeners[frames]; ok {
		*waiting -= int64(len(one.data))
	}
}

func (f *Feed) leave(frames chan frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.listeners[frames]; ok {
		delete(f.listeners, frames)
		close(frames)
	}
}
