package api

import (
	"context"
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
	if resume && after < last {
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
		}
		if err != nil {
			return
		}
	}
}

// replay sends what stands in the stream after a sequence.
func (a *API) replay(ctx context.Context, out *eventStream, after uint64) error {
	return a.journal.Each(ctx, bus.StreamStatus, "status.>", after+1, false, func(m bus.Message) error {
		if f, err := frameOf(m); err == nil {
			return out.frame(f)
		}
		return nil // not ours to send
	})
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
