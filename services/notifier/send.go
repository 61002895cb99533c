package notifier

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// errand is a message that is not about a workload: a test.
type errand struct {
	message receiver.Message
	answer  chan plan.Answer
}

// send makes the attempts until the line is closed.
func (w *worker) send(stop, ctx context.Context, line <-chan staged) error {
	for {
		select {
		case s, ok := <-line:
			if !ok {
				return nil
			}
			if err := <-s.stored; err != nil {
				return w.drain(line, err)
			}
			if err := w.attempt(stop, ctx, s.Delivery); err != nil {
				return w.drain(line, err)
			}
		case e := <-w.errands:
			e.answer <- w.call(ctx, e.message)
		}
	}
}

// drain lets the line run dry after a failure, so that nobody waits on it.
func (w *worker) drain(line <-chan staged, err error) error {
	go func() {
		for range line {
		}
	}()
	return err
}

// attempt sends a delivery and stores what came of it.
func (w *worker) attempt(stop, ctx context.Context, d *plan.Delivery) error {
	m, ok := w.message(d, stop.Err() == nil && ctx.Err() == nil)
	if !ok {
		return nil
	}
	began := w.clock.Now()
	m.Hop = w.hop(m)
	a := w.call(ctx, m)
	took := w.clock.Now().Sub(began)
	w.traced(m, d, a, began, began.Add(took))
	if ctx.Err() != nil {
		return context.Cause(ctx) // the next leader finds it
	}
	e := w.done(d, a)
	g, sub := errgroup.WithContext(ctx)
	g.Go(func() error { return w.store.rows(sub, w.config.Name, e.writes, together) })
	g.Go(func() error { w.receipts(sub, d, m, a, e, took); return nil })
	if err := g.Wait(); err != nil {
		return err
	}
	w.mu.Lock()
	w.lane.Stored(d)
	w.mu.Unlock()
	w.ring()
	if e.turned || e.failed {
		return w.turned(ctx, d, e)
	}
	return nil
}

// message is what a delivery says, or not ok if it may not be attempted now.
func (w *worker) message(d *plan.Delivery, may bool) (receiver.Message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !may || !w.lane.Ready(w.clock.Now()) {
		w.lane.Return(d)
		return receiver.Message{}, false
	}
	m := receiver.Message{
		ID: d.ID, Kind: d.Kind, Receiver: w.config.Name, Time: d.Created,
		Workloads: w.lane.Records(d), Open: d.Members[0].Open, Thread: d.Thread, Ref: d.Ref, Left: d.Left,
	}
	for _, r := range m.Workloads {
		m.Trace = cmp.Or(m.Trace, traceOf(r))
	}
	if name, ok := noticeOf(m.Workloads[0]); ok {
		m.About, m.Notice, m.Workloads = noticePrefix+name, notices(m.Workloads), nil
	}
	for _, member := range d.Members {
		if m.Note = w.notes[member.Workload]; m.Note != "" {
			break
		}
	}
	return m, true
}

// call makes one attempt.
func (w *worker) call(ctx context.Context, m receiver.Message) plan.Answer {
	if err := w.templates.Render(&m); err != nil {
		w.log.Warn("a template failed, the built-in text is sent", "receiver", w.config.Name, "err", err)
	}
	timeout := w.config.Timeout.Std()
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return w.receiver.Send(ctx, m)
}

// effect is what an answer led to.
type effect struct {
	writes []plan.Write
	state  plan.State
	turned bool // the receiver as a whole can be told again, or no longer
	failed bool // the delivery was given up on just now
}

// done hands an answer to the lane.
func (w *worker) done(d *plan.Delivery, a plan.Answer) effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	w.metrics.attempt(w.config.Name, d, a, now, w.lane.Records(d))
	state, away, failed := w.lane.State(), w.lane.Away(now), d.Failed
	e := effect{writes: w.lane.Done(d, a, now), state: w.lane.State()}
	e.turned = away != w.lane.Away(now) || (state != e.state && (state == plan.Off || e.state == plan.Off))
	if e.failed = d.Failed && !failed; e.failed {
		w.metrics.failed(w.config.Name, d.Kind)
	}
	w.why = a.Error
	if a.Outcome == plan.Delivered {
		w.proof = now
	}
	return e
}

// receipts says what came of an attempt that decided something, in the log and
// on the bus: one event for each workload, so that its history shows who was
// told.
func (w *worker) receipts(ctx context.Context, d *plan.Delivery, m receiver.Message, a plan.Answer, e effect, took time.Duration) {
	log := w.log.With("receiver", w.config.Name, "kind", d.Kind, "workload", d.Members[0].Workload,
		"workloads", len(d.Members), "attempt", d.Attempts, "delivery_id", d.ID)
	typ := events.TypeAlertDelivered
	switch {
	case a.Outcome == plan.Delivered:
		log.Info("alert delivered")
	case e.failed:
		typ = events.TypeAlertFailed
		log.Error("alert could not be delivered", "status", a.Status, "err", a.Error)
	default:
		log.Warn("alert not delivered yet", "status", a.Status, "err", a.Error, "again_in", d.Wait.Round(time.Millisecond))
		return
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, member := range d.Members {
		if _, own := strings.CutPrefix(member.Workload, noticePrefix); own {
			member = plan.Member{}
		}
		trace := ""
		if i < len(m.Workloads) { // those of notices are left out
			trace = traceOf(m.Workloads[i])
		}
		g.Go(func() error {
			w.receipt(ctx, typ, trace, events.Receipt{
				Receiver: w.config.Name, DeliveryID: d.ID, Kind: d.Kind, Incident: member.Incident,
				Workload: member.Workload, Attempts: d.Attempts, DurationMS: took.Milliseconds(),
				StatusCode: a.Status, Error: a.Error,
			})
			return nil
		})
	}
	_ = g.Wait()
}

// receipt publishes one receipt. It is for people to look at: when the bus takes
// it not after some attempts, the alert itself does not wait.
func (w *worker) receipt(ctx context.Context, typ, trace string, r events.Receipt) {
	e, err := events.New(typ, source, r.Workload, w.clock.Now(), r)
	if err == nil {
		events.SetTraceParent(&e, trace)
	}
	for attempt := 1; err == nil && attempt <= 5; attempt++ {
		if err = w.bus.Publish(ctx, e); err == nil {
			return
		}
		if errors.Is(err, bus.ErrRefused) || w.storeRetry(ctx, attempt) != nil {
			break
		}
		if attempt < 5 {
			err = nil
		}
	}
	w.log.Error("a receipt is lost", "receiver", r.Receiver, "delivery_id", r.DeliveryID, "err", err)
}
