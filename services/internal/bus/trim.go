package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Trim deletes the messages of a stream on a filter, but for the newest so many.
func (b *Bus) Trim(ctx context.Context, stream, filter string, keep int) error {
	if err := b.own(ctx, filter); err != nil {
		return fmt.Errorf("trim %s: %w", stream, err)
	}
	body, err := json.Marshal(jetstream.StreamPurgeRequest{Subject: filter, Keep: uint64(max(keep, 1))})
	if err != nil {
		return fmt.Errorf("trim %s: %w", stream, err)
	}
	reply, err := b.request(ctx, "$JS.API.STREAM.PURGE."+stream, body)
	if err != nil {
		return fmt.Errorf("trim %s: %w", stream, err)
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fmt.Errorf("trim %s: %w: %w", stream, ErrUnavailable, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("trim %s: %w", stream, classify(answer.Error))
	}
	return nil
}

// Used returns how much of what a stream may hold it holds; 0 if it has no limit.
func (b *Bus) Used(ctx context.Context, stream string) (share float64, err error) {
	info, err := b.info(ctx, stream)
	if err != nil || info.Config.MaxBytes <= 0 {
		return 0, err
	}
	return float64(info.State.Bytes) / float64(info.Config.MaxBytes), nil
}
