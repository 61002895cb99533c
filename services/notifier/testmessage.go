package notifier

import (
	"context"
	"fmt"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// selfTest sends test messages to receivers that have accepted nothing for the
// interval, so that a broken receiver is known before it is needed.
func selfTest(ctx context.Context, draining <-chan struct{}, c SelfTest, workers map[string]*worker, clk clock.Clock) error {
	interval := c.Interval.Std()
	if interval <= 0 {
		return nil
	}
	for {
		next := interval
		for _, name := range c.Receivers {
			w := workers[name]
			if age := clk.Now().Sub(w.queue.glance().delivered); age < interval {
				next = min(next, interval-age)
				continue
			}
			_, _ = w.test(ctx, draining) // the receipt says what came of it
		}
		select {
		case <-clk.After(next):
		case <-draining:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// test sends a test message, once, between two alerts, whatever is known of the
// receiver. It publishes the receipt.
func (w *worker) test(ctx context.Context, draining <-chan struct{}) (events.Receipt, error) {
	select {
	case w.testing <- struct{}{}:
		defer func() { <-w.testing }()
	default:
		return events.Receipt{}, fmt.Errorf("receiver %q has %d tests that wait for its answer; try again later", w.name(), maxTests)
	}
	began := w.clock.Now()
	m := receiver.Message{ID: events.NewID(began), Kind: events.KindTest, Receiver: w.name(), Time: began}
	m.Thread = m.ID
	t := test{m, make(chan plan.Result, 1)}
	r := plan.Result{Outcome: plan.Retry, Error: "the notifier is stopping"}
	select {
	case w.tests <- t:
		r = <-t.result
	case <-draining:
	case <-ctx.Done():
	}
	w.queue.tested(r)
	receipt := events.Receipt{
		Receiver: m.Receiver, DeliveryID: m.ID, Kind: m.Kind, Attempts: 1,
		DurationMS: w.clock.Now().Sub(began).Milliseconds(), StatusCode: r.Status, Error: r.Error,
	}
	typ := events.TypeAlertFailed
	if r.Outcome == plan.Delivered && r.Error == "" {
		typ = events.TypeAlertDelivered
	}
	w.receipts.publish(ctx, typ, "", receipt)
	return receipt, nil
}
