package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Provision makes the streams, buckets and durables that the services need, and
// brings existing ones up to date; 0 replicas mean 1. It may be called again at
// any time. What a newer version provisioned is left as it is. The error names
// what cannot be changed in place. On several servers it returns when a majority of
// the replicas is complete, so one server may be down.
//
// The user needs $JS.API.>. A bus that has provisioned once also puts back a
// durable that was deleted under its consumer.
func (b *Bus) Provision(ctx context.Context, replicas int) error {
	replicas = max(replicas, 1)
	for _, cfg := range streams(replicas) {
		if err := b.provisionStream(ctx, cfg); err != nil {
			return fmt.Errorf("provision stream %s: %w", cfg.Name, err)
		}
	}
	for _, cfg := range buckets(replicas) {
		if err := b.provisionBucket(ctx, cfg); err != nil {
			return fmt.Errorf("provision bucket %s: %w", cfg.Bucket, err)
		}
	}
	for _, d := range durables() {
		if err := b.provisionDurable(ctx, d); err != nil {
			return fmt.Errorf("provision consumer %s of %s: %w", d.config.Durable, d.stream, err)
		}
	}
	if err := b.replicated(ctx, replicas); err != nil {
		return fmt.Errorf("provision: %w", err)
	}
	b.replicas.Store(int32(replicas))
	b.canary.soon()
	return nil
}

func (b *Bus) provisionStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	return b.do(ctx, "$JS.API.STREAM.>", func(ctx context.Context) error {
		existing, err := b.js.Stream(ctx, cfg.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			_, err = b.js.CreateStream(ctx, cfg)
			return err
		case err != nil:
			return err
		}
		was := existing.CachedInfo().Config
		if newer(was.Metadata) {
			return nil
		}
		if was.Storage != cfg.Storage || was.Retention != cfg.Retention {
			return fmt.Errorf("%w: it exists with %s storage and %s retention, which cannot be changed: back it up, delete it and provision again",
				ErrRefused, was.Storage, was.Retention)
		}
		_, err = b.js.UpdateStream(ctx, cfg)
		return err
	})
}

func (b *Bus) provisionBucket(ctx context.Context, cfg jetstream.KeyValueConfig) error {
	return b.do(ctx, "$JS.API.STREAM.>", func(ctx context.Context) error {
		existing, err := b.js.Stream(ctx, "KV_"+cfg.Bucket)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return err
		case newer(existing.CachedInfo().Config.Metadata):
			return nil
		}
		_, err = b.js.CreateOrUpdateKeyValue(ctx, cfg)
		return err
	})
}

func (b *Bus) provisionDurable(ctx context.Context, d durable) error {
	return b.do(ctx, "$JS.API.CONSUMER.>", func(ctx context.Context) error {
		existing, err := b.js.Consumer(ctx, d.stream, d.config.Durable)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			_, err = b.js.CreateConsumer(ctx, d.stream, d.config)
			return err
		case err != nil:
			return err
		}
		was := existing.CachedInfo().Config
		if newer(was.Metadata) {
			return nil
		}
		if was.DeliverPolicy != d.config.DeliverPolicy || was.AckPolicy != d.config.AckPolicy {
			return fmt.Errorf("%w: it exists with delivery policy %s and ack policy %s, which cannot be changed: delete it and provision again",
				ErrRefused, was.DeliverPolicy, was.AckPolicy)
		}
		_, err = b.js.UpdateConsumer(ctx, d.stream, d.config)
		return err
	})
}
