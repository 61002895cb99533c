package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// CommandNotifier with a further token is what the leading notifier serves. No
// stream stores it: a command is for the process that leads now.
const CommandNotifier = "command.notifier"

const (
	// answerTimeout bounds a request whose context has no deadline.
	answerTimeout = time.Minute
	// maxServed is how many requests Serve answers at the same time.
	maxServed = 16
)

// Request sends data to whoever serves the subject and returns the answer. With
// ErrNobodyServes nobody has received it; after any other ErrUnavailable somebody
// may have acted on it.
func (b *Bus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	var reply *nats.Msg
	err := b.doWithin(ctx, answerTimeout, subject, func(ctx context.Context) (err error) {
		reply, err = b.nc.RequestWithContext(ctx, subject, data)
		if errors.Is(err, nats.ErrNoResponders) {
			err = ErrNobodyServes
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", subject, err)
	}
	return reply.Data, nil
}

// Serve answers the requests on a subject, which may have wildcards, with what h
// returns, until ctx ends; then it waits for the calls of h in progress. Several
// run at the same time. Each process that serves a subject gets every request,
// and the first answer counts.
func (b *Bus) Serve(ctx context.Context, subject string, h func(ctx context.Context, subject string, data []byte) []byte) error {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	free := make(chan struct{}, maxServed)
	return b.keep(ctx, "serve "+subject, func(connection context.Context) error {
		connection, cancel := context.WithCancelCause(connection)
		defer cancel(nil)
		subscribing := b.requests.add(subject, cancel)
		defer b.requests.remove(subscribing)
		requests, err := b.nc.SubscribeSync(subject)
		if err != nil {
			return classify(err)
		}
		defer func() { _ = requests.Unsubscribe() }()
		if err := b.do(connection, subject, b.nc.FlushWithContext); err != nil {
			return err
		}
		for {
			m, err := requests.NextMsgWithContext(connection)
			if err != nil {
				return cmp.Or(context.Cause(connection), err)
			}
			select {
			case free <- struct{}{}:
			case <-connection.Done():
				return context.Cause(connection)
			}
			handlers.Go(func() {
				defer func() { <-free }()
				if err := m.Respond(h(ctx, m.Subject, m.Data)); err != nil {
					b.log.Warn("request is not answered", "subject", m.Subject, "err", err)
				}
			})
		}
	})
}
