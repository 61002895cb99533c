package status

import (
	"context"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
)

// hydrate reads the latest record of every workload and returns the position to
// follow the stream from. It waits for the broker as long as it takes; false: ctx
// ended first.
func (s *Service) hydrate(ctx context.Context) (last uint64, done bool) {
	started := time.Now()
	done = s.until(ctx, "read records", func(ctx context.Context) error {
		return s.bus.Each(ctx, bus.StreamStatus, "status.*.*", 1, true, func(m bus.Message) error {
			last = max(last, m.Sequence)
			return s.take(m)
		})
	})
	if !done {
		return 0, false
	}
	s.feed.Skip(last)
	s.hydrated.Store(true)
	s.log.Info("records are read", "workloads", s.view.len(), "took", time.Since(started))
	return last, true
}

// follow keeps the view and the feed up with the stream.
func (s *Service) follow(ctx context.Context, last uint64) error {
	return s.again(ctx, "follow records", func(ctx context.Context) error {
		return s.bus.Follow(ctx, bus.StreamStatus, "status.*.*", last+1, func(m bus.Message) error {
			last = m.Sequence
			if err := s.take(m); err != nil {
				return err
			}
			if err := s.feed.Send(m); err != nil {
				s.log.Error("record cannot be sent to the feed", "sequence", m.Sequence, "err", err)
			}
			return nil
		})
	})
}

// take puts a record of the stream into the view. What cannot be read was not
// written by a status service; it is said and passed over.
func (s *Service) take(m bus.Message) error {
	if known, ok := s.view.get(m.Event.Subject()); ok && known.sequence == m.Sequence &&
		(known.stream.IsZero() || known.stream.Equal(m.Created)) {
		return nil // it was written here
	}
	v, err := versionOf(m)
	if err != nil {
		s.log.Error("record is unreadable", "subject", m.Subject, "sequence", m.Sequence, "err", err)
		return nil
	}
	s.view.put(v)
	return nil
}
