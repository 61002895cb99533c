package bus

import (
	"context"
	"errors"
	"fmt"
)

// Last returns the newest message on a filter, which may have wildcards. It may be
// a little behind: a decision that is based on it is made with Write. With
// ErrMalformed the message has its position, so that Write can still replace it.
func (b *Bus) Last(ctx context.Context, stream, filter string) (Message, error) {
	return b.get(ctx, stream, get{Last: filter})
}

// Next returns the first event on a filter at or after a sequence. What is not
// an event is passed over. The caller knows a message there: a replica that does
// not have it is behind, and the error is ErrUnavailable.
func (b *Bus) Next(ctx context.Context, stream, filter string, from uint64, known Message) (Message, error) {
	for {
		m, err := b.get(ctx, stream, get{Next: filter, Sequence: max(from, 1)})
		switch {
		case errors.Is(err, ErrMalformed):
			b.skip(stream, err)
			from = m.Sequence + 1
		case errors.Is(err, ErrNotFound) && from <= known.Sequence:
			return m, b.missing(ctx, stream, known, err)
		default:
			return m, err
		}
	}
}

// missing returns err if a message is gone from its stream, and ErrUnavailable if
// it is still there.
func (b *Bus) missing(ctx context.Context, stream string, m Message, err error) error {
	info, lookup := b.info(ctx, stream) // of the stream's leader
	switch {
	case lookup != nil:
		return lookup
	case info.Created.Equal(m.Created) && m.Sequence >= info.State.First:
		return fmt.Errorf("read %s at %d: %w: a replica is behind", stream, m.Sequence, ErrUnavailable)
	}
	return err
}

// History returns the newest events on a filter, newest first. It reads all
// messages on the filter: meant for the subjects of one workload.
func (b *Bus) History(ctx context.Context, stream, filter string, limit int) ([]Message, error) {
	if limit <= 0 {
		return nil, nil
	}
	var ring []Message
	next := 0
	err := b.batches(ctx, stream, filter, 1, func(m Message) error {
		if len(ring) < limit {
			ring = append(ring, m)
			return nil
		}
		ring[next] = m
		next = (next + 1) % limit
		return nil
	})
	newest := make([]Message, 0, len(ring))
	for i := range ring {
		newest = append(newest, ring[(next+len(ring)-1-i)%len(ring)])
	}
	return newest, err
}

func (b *Bus) get(ctx context.Context, stream string, g get) (Message, error) {
	created, err := b.created(ctx, stream)
	if err != nil {
		return Message{}, err
	}
	s, err := b.directGet(ctx, stream, g)
	if err != nil {
		return Message{}, fmt.Errorf("read %s %s%s: %w", stream, g.Last, g.Next, err)
	}
	return s.message(created)
}
