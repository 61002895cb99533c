package notifier

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

const (
	// ahead is how many messages may be prepared, their rows stored, while one
	// is being sent.
	ahead = 8
	// yield is how many times as long as it took to store rows none is stored,
	// while nothing is to be sent: then other receivers get the store.
	yield = 3
	// maxTests is how many test messages may wait for one receiver. More would
	// keep the commands of others waiting.
	maxTests = 2
)

// worker delivers to one receiver, one message at a time.
type worker struct {
	queue    *queue
	sender   *sender
	store    *store
	receipts *receipts
	metrics  *metrics
	clock    clock.Clock
	changes  chan<- change

	tests   chan test
	testing chan struct{} // one for each test that waits
}

// test is a test message and where its result goes.
type test struct {
	message receiver.Message
	result  chan plan.Result
}

func (w *worker) name() string { return w.queue.config.Name }

// prepared is a delivery whose row is being stored.
type prepared struct {
	*plan.Delivery
	stored chan error
}

// run prepares messages and sends them until draining is closed and the message
// that is being sent is done, or until ctx ends.
func (w *worker) run(ctx context.Context, draining <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	line := make(chan prepared, ahead)
	sent := make(chan error, 1)
	go func() {
		err := w.send(ctx, draining, line)
		cancel(err)
		sent <- err
	}()
	err := w.prepare(ctx, draining, line)
	close(line)
	if sendErr := <-sent; err == nil || errors.Is(err, context.Canceled) {
		err = sendErr
	}
	return err
}

// prepare stores the row of each message that is due, in order.
func (w *worker) prepare(ctx context.Context, draining <-chan struct{}, line chan<- prepared) error {
	for !closed(draining) && ctx.Err() == nil {
		d, intent, parked, at := w.queue.next()
		began := time.Now()
		if err := w.save(ctx, parked); err != nil {
			return err
		}
		if d != nil {
			p := prepared{d, make(chan error, 1)}
			go func() { p.stored <- w.save(ctx, intent) }()
			line <- p // the sender takes until the line is closed
			continue
		}
		if len(parked.writes) > 0 {
			w.wait(ctx, draining, nil, time.After(min(yield*time.Since(began), time.Second)))
		}
		if len(parked.writes) == slowly {
			continue
		}
		var due <-chan time.Time
		if !at.IsZero() {
			due = w.clock.After(max(at.Sub(w.clock.Now()), 0))
		}
		w.wait(ctx, draining, w.queue.wake, due)
	}
	return nil
}

func (w *worker) wait(ctx context.Context, draining, wake <-chan struct{}, due <-chan time.Time) {
	select {
	case <-wake:
	case <-due:
	case <-draining:
	case <-ctx.Done():
	}
}

// save stores rows, the last one after the others.
func (w *worker) save(ctx context.Context, r rows) error {
	if err := w.store.rows(ctx, w.name(), r.writes, r.width); err != nil {
		return err
	}
	w.queue.stored(r)
	return nil
}

// send makes the attempts until the line is closed.
func (w *worker) send(ctx context.Context, draining <-chan struct{}, line <-chan prepared) error {
	var again <-chan time.Time
	if every := w.sender.repeat(); every > 0 {
		again = w.clock.After(every)
	}
	for {
		select {
		case p, ok := <-line:
			if !ok {
				return nil
			}
			err := <-p.stored
			if err == nil {
				err = w.attempt(ctx, draining, p.Delivery)
			}
			if err != nil {
				go empty(line)
				return err
			}
		case t := <-w.tests:
			t.result <- w.sender.send(ctx, t.message)
		case <-again:
			w.remind(ctx)
			again = w.clock.After(w.sender.repeat())
		}
	}
}

// remind tells a receiver that forgets what is open. That is no delivery: what it
// comes to changes nothing, and the next one is due soon.
func (w *worker) remind(ctx context.Context) {
	for _, m := range w.queue.open() {
		if r := w.sender.send(ctx, m); r.Outcome != plan.Delivered && ctx.Err() == nil {
			w.sender.log.Warn("what is open was not accepted again", "receiver", w.name(), "status", r.Status, "err", r.Error)
			return
		}
	}
}

// empty takes what is left in the line, so that nobody waits to put into it.
func empty(line <-chan prepared) {
	for range line {
	}
}

// attempt sends a delivery and stores what came of it.
func (w *worker) attempt(ctx context.Context, draining <-chan struct{}, d *plan.Delivery) error {
	m, ok := w.queue.message(d, !closed(draining) && ctx.Err() == nil)
	if !ok {
		return nil
	}
	r, took := w.sender.deliver(ctx, d, m)
	if ctx.Err() != nil {
		return context.Cause(ctx) // the next leader repeats it
	}
	e := w.queue.done(d, r)
	w.metrics.attempt(w.name(), d.Kind, r, w.clock.Now(), m.Workloads)
	if e.failed {
		w.metrics.failed(w.name(), d.Kind)
	}
	g, sub := errgroup.WithContext(ctx)
	g.Go(func() error { return w.store.rows(sub, w.name(), e.writes, together) })
	g.Go(func() error { w.receipts.report(sub, d, m, r, e.failed, took); return nil })
	if err := g.Wait(); err != nil {
		return err
	}
	records := w.queue.release(d)
	if e.health == nil && !e.failed {
		return nil
	}
	c := change{receiver: w.name(), health: e.health}
	if e.failed {
		c.delivery, c.records = d, records
	}
	select {
	case w.changes <- c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
