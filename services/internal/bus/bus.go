// Package bus is the only NATS client code: publishing with the stream's
// acknowledgement, compare-and-set, reading, durable consumption, buckets, and
// the topology that all of it needs.
//
// Every call makes one attempt and says how it ended: [ErrUnavailable] (try
// again), [ErrRefused] (do not), [ErrConflict], [ErrNotFound]. Nothing is
// buffered: what failed here is never sent later.
package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bus is a connection that is restored for as long as the process runs. Its methods
// may be called at any time from any goroutine.
type Bus struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	log      *slog.Logger
	metrics  *metrics
	requests openRequests
	streams  streamTimes
	canary   canary

	inspection inspection
	// owner: this bus has provisioned, and puts back what is deleted.
	owner     atomic.Bool
	provision sync.Mutex

	stop func() // ends what the bus does by itself
	done sync.WaitGroup
}

// Close ends the connection at once. Calls in progress fail with ErrUnavailable.
func (b *Bus) Close() {
	b.stop()
	b.nc.Close()
	b.done.Wait()
}

// requestTimeout bounds one attempt of anything. A leader change takes 5 to 8 s:
// the caller tries again.
const requestTimeout = 5 * time.Second

// do makes one attempt of fn, which sends to subject and waits for the answer.
// It ends early when ctx ends, when the connection is lost, and when the server
// denies the subject.
func (b *Bus) do(ctx context.Context, subject string, fn func(context.Context) error) error {
	return b.doWithin(ctx, requestTimeout, subject, fn)
}

func (b *Bus) doWithin(ctx context.Context, timeout time.Duration, subject string, fn func(context.Context) error) error {
	if !b.nc.IsConnected() {
		if err := b.nc.LastError(); err != nil {
			return fmt.Errorf("%w: not connected: %w", ErrUnavailable, withoutSecrets(err))
		}
		return fmt.Errorf("%w: not connected", ErrUnavailable)
	}
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timed, stop := context.WithTimeout(own, timeout)
	defer stop()
	r := b.requests.add(subject, cancel)
	defer b.requests.remove(r)
	err := fn(timed)
	if err == nil {
		return nil
	}
	if cause := context.Cause(own); cause != nil && ctx.Err() == nil {
		return cause
	}
	return classify(err)
}

// request sends a message and returns the answer.
func (b *Bus) request(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	var reply *nats.Msg
	err := b.do(ctx, subject, func(ctx context.Context) (err error) {
		reply, err = b.nc.RequestWithContext(ctx, subject, data)
		return err
	})
	return reply, err
}
