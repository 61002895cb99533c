package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// A page is read with one request (JetStream ADR-31, batch). The first one is small:
// who wants little holds little.
const (
	batchMessages = 8192
	batchBytes    = 16 << 20
	firstBytes    = 64 << 10
)

// batches passes every event on a filter from a sequence on to fn, in order.
func (b *Bus) batches(ctx context.Context, stream, filter string, from uint64, fn func(Message) error) error {
	from = max(from, 1)
	for page := firstBytes; ; page = batchBytes {
		batch, more, err := b.batchGet(ctx, stream, filter, from, page)
		if err != nil {
			return fmt.Errorf("read %s %s: %w", stream, filter, err)
		}
		created, err := b.created(ctx, stream)
		if err != nil {
			return err
		}
		if err := b.passOn(stream, created, batch, fn); err != nil {
			return err
		}
		if !more {
			return nil
		}
		from = batch[len(batch)-1].sequence + 1
	}
}

// batchGet returns the messages of one request and whether there are more.
func (b *Bus) batchGet(ctx context.Context, stream, filter string, from uint64, most int) (batch []stored, more bool, err error) {
	body, err := json.Marshal(get{Next: filter, Sequence: from, Batch: batchMessages, MaxBytes: most})
	if err != nil {
		return nil, false, err
	}
	inbox := b.nc.NewRespInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, false, classify(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	err = b.do(ctx, directSubject(stream), func(ctx context.Context) error {
		if err := b.nc.PublishRequest(directSubject(stream), inbox, body); err != nil {
			return err
		}
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return err
			}
			if m.Header.Get("Status") == "204" { // the end of the batch
				pending, err := strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
				more = err == nil && pending > 0 && len(batch) > 0
				return nil
			}
			s, err := gotten(m)
			if err != nil {
				return err
			}
			batch = append(batch, s)
		}
	})
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	return batch, more, err
}
