package status

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/status/api"
)

// reader keeps the view and the feed up with the STATUS stream.
type reader struct {
	bus   *bus.Bus
	view  *view
	feed  *api.Feed
	retry retrier
	log   *slog.Logger

	hydrated atomic.Bool // the records that were there have been read
}

// hydrate reads the latest record of every workload and returns the position to
// follow the stream from. It waits for the broker as long as it takes; false: ctx
// ended first.
func (r *reader) hydrate(ctx context.Context) (last uint64, done bool) {
	started := time.Now()
	done = r.retry.until(ctx, "read records", func(ctx context.Context) error {
		return r.bus.Each(ctx, bus.StreamStatus, "status.*.*", 1, true, func(m bus.Message) error {
			last = max(last, m.Sequence)
			r.take(m)
			return nil
		})
	})
	if !done {
		return 0, false
	}
	r.feed.Skip(last)
	r.hydrated.Store(true)
	r.log.Info("records are read", "workloads", r.view.len(), "took", time.Since(started))
	return last, true
}

// follow keeps the view and the feed up with the stream.
func (r *reader) follow(ctx context.Context, last uint64) error {
	return r.retry.again(ctx, "follow records", func(ctx context.Context) error {
		return r.bus.Follow(ctx, bus.StreamStatus, "status.*.*", last+1, func(m bus.Message) error {
			last = m.Sequence
			r.take(m)
			if err := r.feed.Send(m); err != nil {
				r.log.Error("record cannot be sent to the feed", "sequence", m.Sequence, "err", err)
			}
			return nil
		})
	})
}

// take puts a record of the stream into the view. One that cannot be read was not
// written by a status service: it is logged and left out.
func (r *reader) take(m bus.Message) {
	if events.Rebuilt(m.Event) {
		return // the record follows
	}
	if known, ok := r.view.get(m.Event.Subject()); ok && known.sequence == m.Sequence &&
		(known.stream.IsZero() || known.stream.Equal(m.Created)) {
		return // it was written here
	}
	v, err := versionOf(m)
	if err != nil {
		r.log.Error("record is unreadable", "subject", m.Subject, "sequence", m.Sequence, "err", err)
		return
	}
	r.view.put(v)
}
