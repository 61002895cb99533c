package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/services/internal/clock"
)

const (
	defaultWorkers = 16
	lagInterval    = 10 * time.Second
	healDelay      = 2 * time.Second
)

var durableVersion = regexp.MustCompile(`-v[0-9]+$`)

// Consume passes messages to h until ctx ends; then it pulls no more, lets the
// handlers in progress finish for a bounded time and returns nil.
//
// The messages of one workload (the last token of the subject) are handled one at
// a time, as they come; those of others at the same time. What h returns decides:
// nil acknowledges the message, and waits until the server has that; [Terminal]
// sends it to DEAD; any other error keeps it and calls h again after a growing
// pause, while the later messages of its workload wait and those of others do not.
// What is not an event goes to DEAD without h.
//
// The server may deliver a message more than once, and after later ones: h must be
// idempotent and must not rely on order.
func (b *Bus) Consume(ctx context.Context, c Consumer, h func(context.Context, Message) error) error {
	if c.Workers <= 0 {
		c.Workers = defaultWorkers
	}
	if c.Service == "" {
		c.Service = durableVersion.ReplaceAllString(c.Durable, "")
	}
	b.metrics.begin(c.Stream, c.Durable, c.Service)
	b.consuming(c, false)
	d := newDispatch(b, c, h)
	stop := d.start(ctx)
	defer stop()
	return b.keep(ctx, "consume "+c.Stream+" "+c.Durable, func(ctx context.Context) error {
		err := b.pull(ctx, c, d)
		b.heal(ctx, err)
		return err
	})
}

// pull hands messages to d until ctx ends or the durable has to be looked for
// again: it was deleted, or nothing is heard of it. The client library goes on
// asking a durable that is gone, and never notices a new one of its name.
func (b *Bus) pull(ctx context.Context, c Consumer, d *dispatch) error {
	durable, err := b.bind(ctx, c)
	if err != nil {
		return err
	}
	b.streams.forget()
	created, err := b.created(ctx, c.Stream)
	if err != nil {
		return err
	}
	d.begin(durable.CachedInfo().Created, created)
	lost := make(chan error, 1)
	loop, err := durable.Consume(d.add,
		jetstream.PullMaxMessages(512), jetstream.PullExpiry(30*time.Second), jetstream.PullHeartbeat(5*time.Second),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			if gone(err) {
				select {
				case lost <- err:
				default:
				}
			}
		}))
	if err != nil {
		return classify(err)
	}
	defer func() {
		loop.Stop()
		<-loop.Closed()
	}()
	b.log.Info("consumer is started", "stream", c.Stream, "durable", c.Durable)
	b.consuming(c, true)
	defer b.consuming(c, false)
	lag := time.NewTicker(lagInterval)
	defer lag.Stop()
	hold := time.NewTicker(max(durable.CachedInfo().Config.AckWait/3, time.Millisecond))
	defer hold.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return err
		case <-hold.C:
			d.hold()
		case <-lag.C:
			if _, err := b.bind(ctx, c); errors.Is(err, ErrNotFound) {
				return err
			}
		}
	}
}

// gone reports whether an error may mean that the durable is gone.
func gone(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, jetstream.ErrConnectionClosed)
}

// bind looks the durable up, and its lag with it.
func (b *Bus) bind(ctx context.Context, c Consumer) (jetstream.Consumer, error) {
	var durable jetstream.Consumer
	err := b.do(ctx, "$JS.API.CONSUMER.INFO."+c.Stream+"."+c.Durable, func(ctx context.Context) (err error) {
		durable, err = b.js.Consumer(ctx, c.Stream, c.Durable)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("consumer %s of %s: %w", c.Durable, c.Stream, err)
	}
	info := durable.CachedInfo()
	b.metrics.pending.WithLabelValues(c.Stream, c.Durable).Set(float64(info.NumPending))
	b.metrics.unconfirmed.WithLabelValues(c.Stream, c.Durable).Set(float64(info.NumAckPending))
	b.metrics.redelivered.WithLabelValues(c.Stream, c.Durable).Set(float64(info.NumRedelivered))
	return durable, nil
}

// Handled returns the sequence up to which every message of a stream was ended for a
// durable consumer.
func (b *Bus) Handled(ctx context.Context, stream, durable string) (uint64, error) {
	c, err := b.bind(ctx, Consumer{Stream: stream, Durable: durable})
	if err != nil {
		return 0, err
	}
	return c.CachedInfo().AckFloor.Stream, nil
}

// consuming takes note of whether messages are asked for.
func (b *Bus) consuming(c Consumer, on bool) {
	gauge := b.metrics.consuming.WithLabelValues(c.Stream, c.Durable)
	b.inspection.mu.Lock()
	defer b.inspection.mu.Unlock()
	if on {
		gauge.Set(1)
		b.inspection.durable[c.Stream] = ""
		return
	}
	gauge.Set(0)
	b.inspection.durable[c.Stream] = c.Durable
}

// heal puts back what was deleted, where this bus owns the topology. The server
// tells of a deletion when it begins: a stream that is created while the files of
// its predecessor still go away takes one message and never answers again.
func (b *Bus) heal(ctx context.Context, err error) {
	if !b.owner.Load() || !errors.Is(err, ErrNotFound) && !errors.Is(err, jetstream.ErrConsumerDeleted) {
		return
	}
	if !clock.Sleep(ctx, healDelay) {
		return
	}
	if err := b.Provision(ctx, 0); err != nil && ctx.Err() == nil {
		b.log.Warn("topology is not restored", "err", err)
	}
}
