package bus

import (
	"context"
	"time"
)

// Each passes everything that is stored now to fn, in the order of the stream,
// and returns. lastPerSubject leaves out all but the newest message of each
// subject, and then from counts for nothing. What is not an event is passed over.
//
// An error means that not everything was passed on; start over.
func (b *Bus) Each(ctx context.Context, stream, filter string, from uint64, lastPerSubject bool, fn func(Message) error) error {
	if !lastPerSubject {
		return b.batches(ctx, stream, filter, from, fn)
	}
	created, err := b.created(ctx, stream)
	if err != nil {
		return err
	}
	batch := make([]stored, 0, decodeBatch)
	flush := func() error {
		err := b.passOn(stream, created, batch, fn)
		batch = batch[:0]
		return err
	}
	s := subscription{stream: stream, filter: filter, lastPerSubject: true, untilCurrent: true}
	err = s.run(ctx, b, func(m stored) error {
		if batch = append(batch, m); len(batch) < decodeBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return withoutHandler(err)
}

// Follow passes every event from a sequence on to fn, in order, until ctx ends
// or fn fails; from 0 means only what is stored from now on. It goes on where
// it was after every interruption, and from the beginning of a stream that was
// created anew.
func (b *Bus) Follow(ctx context.Context, stream, filter string, from uint64, fn func(Message) error) error {
	s := subscription{stream: stream, filter: filter, from: from}
	s.started = func(position uint64) { s.from = position + 1 }
	var known time.Time
	return b.keep(ctx, "follow "+stream+" "+filter, func(ctx context.Context) error {
		b.streams.forget()
		created, err := b.created(ctx, stream)
		if err != nil {
			return err
		}
		if !known.IsZero() && !created.Equal(known) {
			s.from = 1
		}
		known = created
		return s.run(ctx, b, func(m stored) error {
			err := b.passOn(stream, created, []stored{m}, fn)
			if err == nil {
				s.from = m.sequence + 1
			}
			return err
		})
	})
}

const decodeBatch = 512
