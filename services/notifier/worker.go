package notifier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

const (
	// ahead is how many messages may be prepared, their rows stored, while one
	// is under way.
	ahead = 8
	// unhurried is how many rows are stored before the lane is asked again while
	// nothing is to be sent. For yield times as long as that took none is stored:
	// the store is the other receivers' then.
	unhurried = 4
	yield     = 3
)

// worker tells one receiver. Nothing that the receiver does holds up another.
type worker struct {
	*session
	config    receiver.Config
	receiver  receiver.Receiver
	templates receiver.Templates
	wake      chan struct{} // something may be due
	errands   chan errand   // messages that are not about workloads

	mu      sync.Mutex
	lane    *plan.Lane
	notes   map[string]string // why this receiver is told in place of another
	holding map[int]uint64    // by token: what is not reflected before rows are stored
	token   int
	why     string // the last failure
	hash    string
	proof   time.Time // of the last accepted message
}

func newWorker(n *session, c receiver.Config) (*worker, error) {
	r, err := receiver.New(c, receiver.Options{Log: n.log, Source: source, Now: n.clock.Now})
	if err != nil {
		return nil, fmt.Errorf("receiver %s: %w", c.Name, err)
	}
	templates, err := c.Templates()
	if err != nil {
		return nil, fmt.Errorf("receiver %s: %w", c.Name, err)
	}
	s := plan.Settings{Receiver: c.Name, Jitter: rand.Float64}
	if l, ok := c.Limit(); ok {
		s.Limit = rate.NewLimiter(rate.Every(l.Per.Std()), l.Burst)
	}
	return &worker{
		session: n, config: c, receiver: r, templates: templates,
		wake: make(chan struct{}, 1), errands: make(chan errand),
		lane: plan.NewLane(s), notes: map[string]string{}, holding: map[int]uint64{}, hash: c.Hash(),
	}, nil
}

// observe takes in a workload's record.
func (w *worker) observe(k known, p plan.Policy, note string, now time.Time) {
	w.mu.Lock()
	w.lane.Observe(k.Record, k.seq, p, now)
	keep(w.notes, k.Workload, note)
	w.mu.Unlock()
	w.ring()
}

func keep(of map[string]string, key, value string) {
	if value == "" {
		delete(of, key)
		return
	}
	of[key] = value
}

func (w *worker) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) resume(now time.Time) {
	w.mu.Lock()
	w.lane.Resume(now)
	w.mu.Unlock()
}

// lost reports whether somebody else has to be told of a workload, and why.
func (w *worker) lost(workload string, now time.Time) (why string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why, w.lane.Lost(workload, now)
}

// staged is a delivery whose row is being stored.
type staged struct {
	*plan.Delivery
	stored chan error
}

// run prepares messages and sends them, one at a time, until stop ends and the
// one under way is done.
func (w *worker) run(stop, ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	line := make(chan staged, ahead)
	done := make(chan error, 1)
	go func() {
		err := w.send(stop, ctx, line)
		cancel(err)
		done <- err
	}()
	err := w.prepare(stop, ctx, line)
	close(line)
	if sendErr := <-done; err == nil || errors.Is(err, context.Canceled) {
		err = sendErr
	}
	return err
}

// prepare stores the row of each message that is due, in order.
func (w *worker) prepare(stop, ctx context.Context, line chan<- staged) error {
	for stop.Err() == nil && ctx.Err() == nil {
		d, intent, parked, at := w.next()
		began := time.Now()
		if err := w.save(ctx, parked); err != nil {
			return err
		}
		if d == nil {
			if len(parked.writes) > 0 {
				pause(stop, min(yield*time.Since(began), time.Second))
			}
			if len(parked.writes) < unhurried {
				w.wait(stop, ctx, at)
			}
			continue
		}
		s := staged{d, make(chan error, 1)}
		go func() { s.stored <- w.save(ctx, intent) }()
		line <- s // the sender takes until the line is closed
	}
	return nil
}

// rows are to be stored; until they are, low is not reflected in any.
type rows struct {
	writes []plan.Write
	width  int // how many may be stored at a time
	token  int
}

// next is what the lane wants: a delivery and its row, rows to store, a time.
// A receiver that rests may have thousands to store, all at once; they go one at
// a time, so that the rows of the other receivers do not queue behind them.
func (w *worker) next() (d *plan.Delivery, intent, parked rows, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	d, at = w.lane.Next(now)
	low, held := w.lane.Low()
	if d == nil {
		return nil, rows{}, w.hold(w.lane.Parked(unhurried), 1, low, held), at
	}
	parked = w.hold(w.lane.Parked(math.MaxInt), together, low, held)
	intent = w.hold([]plan.Write{w.lane.Intent(d, now)}, 1, low, held)
	return d, intent, parked, at
}

func (w *worker) hold(writes []plan.Write, width int, low uint64, held bool) rows {
	r := rows{writes: writes, width: width}
	if held && len(writes) > 0 {
		w.token++
		r.token = w.token
		w.holding[r.token] = low
	}
	return r
}

// save stores rows, the last one after the others.
func (w *worker) save(ctx context.Context, r rows) error {
	if err := w.store.rows(ctx, w.config.Name, r.writes, r.width); err != nil {
		return err
	}
	if r.token != 0 {
		w.mu.Lock()
		delete(w.holding, r.token)
		w.mu.Unlock()
	}
	return nil
}

// low is the first sequence that no stored row reflects.
func (w *worker) low() (seq uint64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seq, ok = w.lane.Low()
	for _, s := range w.holding {
		if !ok || s < seq {
			seq, ok = s, true
		}
	}
	return seq, ok
}

func (w *worker) wait(stop, ctx context.Context, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		due = w.clock.After(max(at.Sub(w.clock.Now()), 0))
	}
	select {
	case <-w.wake:
	case <-due:
	case <-stop.Done():
	case <-ctx.Done():
	}
}
