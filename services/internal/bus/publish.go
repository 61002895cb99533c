package bus

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/events"
)

// Headers of compare-and-set (JetStream ADR-58): the last sequence that the
// stream must hold on a filter, else the write is refused.
const (
	headerExpectSequence = "Nats-Expected-Last-Subject-Sequence"
	headerExpectFilter   = "Nats-Expected-Last-Subject-Sequence-Subject"
)

// Publish sends an event and waits until its stream has stored it. It is one
// attempt: after ErrUnavailable the same event is sent again, and its id keeps
// it from being stored twice. A duplicate is success.
func (b *Bus) Publish(ctx context.Context, e event.Event) error {
	msg, err := encode(e)
	if err != nil {
		return fmt.Errorf("publish %s: %w", e.Type(), err)
	}
	if _, err := b.store(ctx, msg); err != nil {
		return fmt.Errorf("publish %s: %w", msg.Subject, err)
	}
	return nil
}

// Write sends an event that is stored only if last is the sequence of the newest
// message on filter, 0 if there is none; else the error is ErrConflict. The
// event's subject must match the filter.
//
// After ErrUnavailable the event may be stored or not: the caller reads Last
// again and looks whose it is. To write the same event again with the same last
// does not help: it conflicts with its own first copy.
func (b *Bus) Write(ctx context.Context, e event.Event, filter string, last uint64) (uint64, error) {
	msg, err := encode(e)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", e.Type(), err)
	}
	ack, err := b.storeAfter(ctx, msg, filter, last)
	switch {
	case err != nil:
		return 0, fmt.Errorf("write %s: %w", msg.Subject, err)
	case ack.Duplicate:
		// An earlier attempt was stored, and perhaps overtaken since.
		return 0, fmt.Errorf("write %s: %w: this event is stored already, at %d", msg.Subject, ErrConflict, ack.Sequence)
	}
	return ack.Sequence, nil
}

// Rewrite is Write for an event that was stored once and is stored again, because it
// was purged or another message took its place: its id does not count.
func (b *Bus) Rewrite(ctx context.Context, e event.Event, filter string, last uint64) (uint64, error) {
	msg, err := encode(e)
	if err != nil {
		return 0, fmt.Errorf("rewrite %s: %w", e.Type(), err)
	}
	msg.Header.Del(events.HeaderMsgID)
	ack, err := b.storeAfter(ctx, msg, filter, last)
	if err != nil {
		return 0, fmt.Errorf("rewrite %s: %w", msg.Subject, err)
	}
	return ack.Sequence, nil
}

// storeAfter stores a message if last is the newest on filter.
func (b *Bus) storeAfter(ctx context.Context, msg *nats.Msg, filter string, last uint64) (*jetstream.PubAck, error) {
	msg.Header.Set(headerExpectSequence, strconv.FormatUint(last, 10))
	msg.Header.Set(headerExpectFilter, filter)
	return b.store(ctx, msg)
}

func encode(e event.Event) (*nats.Msg, error) {
	m, err := events.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return &nats.Msg{Subject: m.Subject, Header: nats.Header(m.Header), Data: m.Data}, nil
}

// put sends a message once and waits for the stream's acknowledgement.
func (b *Bus) put(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	if err := b.own(ctx, msg.Subject); err != nil {
		return nil, err
	}
	var ack *jetstream.PubAck
	err := b.do(ctx, msg.Subject, func(ctx context.Context) (err error) {
		ack, err = b.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
		return err
	})
	b.written(msg.Subject, err)
	return ack, err
}

// store puts an event and counts how that ended.
func (b *Bus) store(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	ack, err := b.put(ctx, msg)
	if err == nil && ack.Duplicate {
		b.metrics.published.WithLabelValues("duplicate").Inc()
		return ack, nil
	}
	b.metrics.published.WithLabelValues(outcome(err)).Inc()
	return ack, err
}
