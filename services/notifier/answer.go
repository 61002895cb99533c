package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// watchAsks collects requests. It never waits for one to be answered.
func (n *session) watchAsks(ctx context.Context) error {
	err := n.bus.Bucket(bus.BucketDeliveries).Watch(ctx, keyAsk+">", func(e bus.Entry) {
		if e.Deleted {
			return
		}
		select {
		case n.asks <- e:
		default:
			n.log.Warn("too many requests, one is ignored", "key", e.Key)
		}
	})
	return ended(ctx, err)
}

// answerAsks answers one request after the other.
func (n *session) answerAsks(stop, ctx context.Context) error {
	for {
		select {
		case <-stop.Done():
			return nil
		case e := <-n.asks:
			if err := n.answer(stop, ctx, e); err != nil && !errors.Is(err, bus.ErrConflict) {
				return err
			}
		}
	}
}

func (n *session) answer(stop, ctx context.Context, e bus.Entry) error {
	n.store.revisions.set(e.Key, e.Revision)
	var a ask
	if json.Unmarshal(e.Value, &a) != nil || n.clock.Now().Sub(a.At) > askExpiry {
		return n.store.remove(ctx, e.Key)
	}
	if a.Done {
		return nil
	}
	a.Done = true
	w := n.workers[a.Receiver]
	switch {
	case a.Do == askWaiting:
		a.Waiting = n.waiting(a.Workload)
	case w == nil:
		a.Error = "no receiver is named \"" + a.Receiver + "\"" + config.Suggest(a.Receiver, n.workers)
	case a.Do == askTest:
		a.Receipt = w.test(stop, ctx)
	case a.Do == askReplay:
		a.Count = w.replay(a.Delivery)
	default:
		a.Error = "this notifier does not know the request \"" + a.Do + "\""
	}
	return n.store.put(ctx, e.Key, a)
}

// waiting is what the receivers are told next about a workload.
func (n *session) waiting(workload string) []Waiting {
	now := n.clock.Now()
	var all []Waiting
	for _, c := range n.config.Receivers {
		w := n.workers[c.Name]
		w.mu.Lock()
		if wait, ok := w.lane.Wait(workload, now); ok {
			all = append(all, Waiting{c.Name, wait})
		}
		w.mu.Unlock()
	}
	return all
}

// test sends a test message, once, and publishes its receipt.
func (w *worker) test(stop, ctx context.Context) events.Receipt {
	began := w.clock.Now()
	m := receiver.Message{
		ID: events.NewID(began), Kind: events.KindTest, Receiver: w.config.Name, Time: began,
	}
	m.Thread = m.ID
	a := plan.Answer{Error: "the notifier is stopping"}
	e := errand{m, make(chan plan.Answer, 1)}
	select {
	case w.errands <- e:
		a = <-e.answer
	case <-stop.Done():
	case <-ctx.Done():
	}
	took := w.clock.Now().Sub(began)
	r := events.Receipt{
		Receiver: w.config.Name, DeliveryID: m.ID, Kind: m.Kind, Attempts: 1,
		DurationMS: took.Milliseconds(), StatusCode: a.Status, Error: a.Error,
	}
	typ := events.TypeAlertFailed
	if a.Outcome == plan.Delivered && a.Error == "" {
		typ = events.TypeAlertDelivered
		w.mu.Lock()
		w.proof = w.clock.Now()
		w.mu.Unlock()
	}
	w.receipt(ctx, typ, "", r)
	return r
}

func (w *worker) replay(id string) int {
	w.mu.Lock()
	n := w.lane.Replay(id)
	w.mu.Unlock()
	w.ring()
	return n
}

// selfTest sends test messages, so that a receiver that broke is known before it
// is needed.
func (n *session) selfTest(ctx context.Context) error {
	interval := n.config.SelfTest.Interval.Std()
	if interval <= 0 {
		return nil
	}
	for {
		next := interval
		for _, name := range n.config.SelfTest.Receivers {
			w := n.workers[name]
			if age := n.clock.Now().Sub(w.proved()); age < interval {
				next = min(next, interval-age)
				continue
			}
			w.test(ctx, ctx)
		}
		select {
		case <-n.clock.After(next):
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *worker) proved() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.proof
}
