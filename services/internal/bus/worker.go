package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// start starts the workers. The returned function ends them: handlers in
// progress have drainTimeout, what was not begun goes back to the server.
func (w *work) start(ctx context.Context) (stop func()) {
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	for range w.c.Workers {
		workers.Go(func() { w.run(handling) })
	}
	go w.hold(handling)
	return func() {
		defer cancel()
		w.close()
		w.giveBack(w.waiting(false))
		done := make(chan struct{})
		go func() { workers.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(drainTimeout):
			cancel()
			select {
			case <-done:
			case <-time.After(time.Second):
				w.bus.log.Error("a handler does not end", "durable", w.c.Durable)
			}
		}
		w.giveBack(w.waiting(true)) // what failed meanwhile
	}
}

// giveBack lets the server deliver messages to another replica, or to the next
// process, without waiting for its patience to end.
func (w *work) giveBack(items []*item) {
	for _, it := range items {
		if err := it.Nak(); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			w.bus.log.Debug("message is not given back", "sequence", it.meta.Sequence.Stream, "err", err)
		}
	}
}

func (w *work) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake.Broadcast()
}

// run is one worker.
func (w *work) run(ctx context.Context) {
	for l, it := w.take(); l != nil; l, it = w.take() {
		w.settle(l, it, w.handle(ctx, l, it))
	}
}

var errDead = errors.New("the message goes to DEAD")

// handle deals with one message. An error means: again, after a pause; or, of a
// message that is dead, in the dead lane.
func (w *work) handle(ctx context.Context, l *lane, it *item) error {
	if it.dead != nil {
		return w.bury(ctx, it)
	}
	m, err := it.message(it.created)
	if err != nil {
		it.dead = err
		return errDead
	}
	m.Unbroken = it.unbroken
	err = w.handler(ctx, m)
	if err == nil {
		w.confirm(ctx, it)
		return nil
	}
	if terminal, ok := errors.AsType[terminalError](err); ok {
		it.dead = terminal
		return errDead
	}
	w.count("retried")
	if ctx.Err() == nil && l.pause.attempts%10 == 0 {
		w.bus.log.Warn("message is retried", "subject", m.Subject, "sequence", m.Sequence, "attempts", l.pause.attempts+1, "err", err)
	}
	return err
}

// confirm acknowledges and waits for the server to say that it knows. If it does
// not, the message comes again, which a handler must bear.
func (w *work) confirm(ctx context.Context, it *item) {
	if err := w.bus.do(ctx, it.Reply(), it.DoubleAck); err != nil {
		w.count("unconfirmed")
		w.bus.log.Debug("acknowledgement is not confirmed", "sequence", it.meta.Sequence.Stream, "err", err)
		return
	}
	w.count("done")
}

func (w *work) count(outcome string) {
	w.bus.metrics.handled.WithLabelValues(w.c.Durable, outcome).Inc()
}

// hold tells the server from time to time that what is in hand is not forgotten:
// else it is delivered again.
func (w *work) hold(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-w.begun:
	}
	for {
		w.mu.Lock()
		every := w.ackWait / 3
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		for _, it := range w.waiting(true) {
			if err := it.InProgress(); err != nil {
				w.bus.log.Debug("messages in hand are not held", "durable", w.c.Durable, "err", err)
				break
			}
		}
	}
}
