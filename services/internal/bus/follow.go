package bus

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// Each passes everything that is stored now to fn, in the order of the stream,
// and returns. lastPerSubject leaves out all but the newest message of each
// subject, and then from counts for nothing. What is no event is passed over.
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
	batch := make([]delivered, 0, decodeBatch)
	flush := func() error {
		err := b.passOn(stream, created, batch, fn)
		batch = batch[:0]
		return err
	}
	s := subscription{stream: stream, filter: filter, lastPerSubject: true, untilCurrent: true}
	err = s.run(ctx, b, func(d delivered) error {
		if batch = append(batch, d); len(batch) < decodeBatch {
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
		return s.run(ctx, b, func(d delivered) error {
			m, err := d.message(created)
			if err == nil {
				err = fn(m)
			} else {
				b.skip(stream, err)
				err = nil
			}
			if err == nil {
				s.from = m.Sequence + 1
			}
			return err
		})
	})
}

const decodeBatch = 512

// passOn decodes on all processors and passes on in order.
func (b *Bus) passOn(stream string, created time.Time, batch []delivered, fn func(Message) error) error {
	type result struct {
		m   Message
		err error
	}
	results := make([]result, len(batch))
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(batch))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				results[i].m, results[i].err = batch[i].message(created)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		if r.err != nil {
			b.skip(stream, r.err)
			continue
		}
		if err := fn(r.m); err != nil {
			return err
		}
	}
	return nil
}

// message decodes; with an error, which is ErrMalformed, everything but the
// event is filled in.
func (d delivered) message(created time.Time) (Message, error) {
	m := Message{
		Subject: d.Subject(), Sequence: d.meta.Sequence.Stream, Stored: d.meta.Timestamp,
		Created: created,
	}
	var err error
	if m.Event, err = events.Unmarshal(d.Headers(), d.Data()); err != nil {
		return m, malformed(m, err)
	}
	return m, nil
}

// backoff is between the attempts to reach a server.
func backoff() clock.Backoff {
	return clock.Backoff{First: 100 * time.Millisecond, Most: 5 * time.Second}
}

// keep runs fn again and again until ctx ends (nil) or the caller's own function
// fails.
func (b *Bus) keep(ctx context.Context, what string, fn func(context.Context) error) error {
	for pause := backoff(); ; pause.Sleep(ctx) {
		began := time.Now()
		err := fn(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end that was asked for
		}
		if own, ok := errors.AsType[handlerError](err); ok {
			return own.error
		}
		if time.Since(began) > pause.Most {
			pause.Reset()
		}
		switch pause.Failures {
		case 0:
			b.log.Info("interrupted, will be tried again", "what", what, "err", err)
		case 5:
			b.log.Warn("still interrupted", "what", what, "err", err)
		}
	}
}

func withoutHandler(err error) error {
	if own, ok := errors.AsType[handlerError](err); ok {
		return own.error
	}
	return err
}
