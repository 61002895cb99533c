package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
)

// keepAlive is how often an idle feed says something, so that dead connections
// are noticed by both sides and by what is between them.
const keepAlive = 15 * time.Second

// events is the feed as server-sent events: id is the sequence in the STATUS
// stream, so a client that comes back with Last-Event-ID gets what it missed from
// the stream itself, over restarts of this service too.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	after, resume, err := lastEventID(r)
	if err != nil {
		Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx holds streams back otherwise
	out := &eventStream{w: w, rc: http.NewResponseController(w)}
	frames, last := a.feed.listen()
	defer a.feed.leave(frames)
	if out.write("retry: 1000\n\n") != nil {
		return
	}
	switch {
	case !resume:
	case after > last: // of a stream that is no more
		if out.write("event: resync\ndata: {}\n\n") != nil {
			return
		}
	case after < last:
		if a.replay(r.Context(), out, after) != nil {
			return
		}
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			err = out.write(": alive\n\n")
		case f, open := <-frames:
			if !open {
				return
			}
			if f.sequence > out.sent {
				err = out.frame(f)
			}
			a.feed.took(frames, f)
		}
		if err != nil {
			return
		}
	}
}

// A replay reads and writes by turns, so that a client that does not read holds
// little. Few read at the same time.
const (
	replayBytes = 64 << 10
	maxReading  = 4
)

var errEnough = errors.New("enough for now")

// replay sends what stands in the stream after a sequence.
func (a *API) replay(ctx context.Context, out *eventStream, after uint64) error {
	for {
		frames, more, err := a.read(ctx, after)
		if err != nil {
			return err
		}
		for _, f := range frames {
			if err := out.frame(f); err != nil {
				return err
			}
			after = f.sequence
		}
		if !more {
			return nil
		}
	}
}

// read returns the next frames, as many as a client may hold; at least one if
// there is one.
func (a *API) read(ctx context.Context, after uint64) (frames []frame, more bool, err error) {
	select {
	case a.reading <- struct{}{}:
		defer func() { <-a.reading }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	size := 0
	err = a.journal.Each(ctx, bus.StreamStatus, "status.>", after+1, false, func(m bus.Message) error {
		f, err := frameOf(m)
		if err != nil {
			return nil //nolint:nilerr // not ours to send
		}
		if size += len(f.data); size > replayBytes && len(frames) > 0 {
			return errEnough
		}
		frames = append(frames, f)
		return nil
	})
	if errors.Is(err, errEnough) {
		return frames, true, nil
	}
	return frames, false, err
}

func lastEventID(r *http.Request) (after uint64, ok bool, err error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, false, nil
	}
	if after, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, false, fmt.Errorf("Last-Event-ID %q is not a sequence number", text)
	}
	return after, true, nil
}

// eventStream writes server-sent events and flushes each.
type eventStream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	sent uint64
}

func (s *eventStream) frame(f frame) error {
	s.sent = f.sequence
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", f.sequence, f.typ, f.data))
}

func (s *eventStream) write(text string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(2 * keepAlive))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
