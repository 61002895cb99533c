package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// Ephemeral consumers live in the memory of one server and end when nobody pulls
// from them. To delete them would need a permission that also deletes durables.
const (
	ephemeralIdle      = 30 * time.Second
	ephemeralHeartbeat = 3 * time.Second
	ephemeralPull      = 1024
	quiet              = time.Second // without a message that is due
)

// subscription reads a stream in order through an ephemeral consumer.
type subscription struct {
	stream, filter string
	from           uint64 // 0: only what is stored from now on
	lastPerSubject bool   // only the newest message of each subject, whatever from is
	untilCurrent   bool   // end when everything stored so far was passed on

	current func()                // everything stored so far was passed on; may be nil
	started func(position uint64) // the position before the first message; may be nil
}

// run passes messages to fn until ctx ends, fn fails, or the order is broken by
// a lost consumer or connection: then the caller starts again.
func (s subscription) run(ctx context.Context, b *Bus, fn func(stored) error) error {
	consumer, err := s.create(ctx, b)
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	// A lost connection ends it at once: the consumer may be gone with the server.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request := b.requests.add("$JS.API.CONSUMER.MSG.NEXT."+s.stream+"."+info.Name, cancel)
	defer b.requests.remove(request)

	messages, err := consumer.Messages(jetstream.PullMaxMessages(ephemeralPull),
		jetstream.PullHeartbeat(ephemeralHeartbeat), jetstream.PullExpiry(4*ephemeralHeartbeat))
	if err != nil {
		return classify(err)
	}
	defer messages.Stop()
	if s.started != nil {
		s.started(info.Delivered.Stream)
	}
	r := reading{subscription: s, consumer: consumer, messages: messages}
	return r.run(ctx, info.NumPending, fn)
}

// reading is a subscription with its consumer.
type reading struct {
	subscription
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	caughtUp bool
}

func (r *reading) run(ctx context.Context, pending uint64, fn func(stored) error) error {
	for expected := uint64(1); ; expected++ {
		if pending == 0 && !r.caughtUp {
			r.caughtUp = true
			if r.current != nil {
				r.current()
			}
			if r.untilCurrent {
				return nil
			}
		}
		m, err := r.next(ctx)
		if err != nil {
			return r.interrupted(cmp.Or(context.Cause(ctx), err))
		}
		if m == nil { // nothing is pending any more
			pending, expected = 0, expected-1
			continue
		}
		d, meta, err := delivered(m)
		if err != nil {
			return r.interrupted(err)
		}
		if meta.Sequence.Consumer != expected {
			return r.interrupted(fmt.Errorf("message %d came as number %d", expected, meta.Sequence.Consumer))
		}
		if err := fn(d); err != nil {
			return handlerError{err}
		}
		pending = meta.NumPending
	}
}

// next returns the next message. Before everything stored was passed on it looks,
// when nothing comes, whether what was pending is gone, and then returns nil: keys
// run out, messages are replaced by newer ones.
func (r *reading) next(ctx context.Context) (jetstream.Msg, error) {
	for !r.caughtUp {
		m, err := r.messages.Next(jetstream.NextMaxWait(quiet))
		if !errors.Is(err, nats.ErrTimeout) || ctx.Err() != nil {
			return m, err
		}
		info, err := r.consumer.Info(ctx)
		if err != nil {
			return nil, err
		}
		if info.NumPending == 0 {
			return nil, nil //nolint:nilnil // documented
		}
	}
	return r.messages.Next(jetstream.NextContext(ctx))
}

func (s subscription) interrupted(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("follow %s %s: %w: %w", s.stream, s.filter, ErrUnavailable, err)
}

func (s subscription) create(ctx context.Context, b *Bus) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Name:              "read-" + nuid.Next(),
		FilterSubject:     s.filter,
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       s.from,
		MaxDeliver:        1,
		Replicas:          1,
		MemoryStorage:     true,
		InactiveThreshold: ephemeralIdle,
	}
	switch {
	case s.lastPerSubject:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
	case s.from == 0:
		cfg.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	var consumer jetstream.Consumer
	subject := "$JS.API.CONSUMER.CREATE." + s.stream + "." + cfg.Name + ">"
	err := b.do(ctx, subject, func(ctx context.Context) (err error) {
		consumer, err = b.js.CreateConsumer(ctx, s.stream, cfg)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("follow %s %s: %w", s.stream, s.filter, err)
	}
	return consumer, nil
}
