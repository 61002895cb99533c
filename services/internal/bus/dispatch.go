package bus

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// Consumer names a durable consumer that exists (see Provision).
type Consumer struct {
	Stream  string
	Durable string
	Workers int    // handlers at the same time, of different workloads; 0 means 16
	Service string // dead letters go to dead.<service>; empty: the durable without its version
}

// drainTimeout is how long the handlers in progress may take at the end.
const drainTimeout = 5 * time.Second

// dispatch has the messages in hand and gives them to its workers, one at a time
// of each workload. A message that failed waits without a worker, and the later
// ones of its workload wait behind it. The server's MaxAckPending bounds it all.
type dispatch struct {
	bus     *Bus
	c       Consumer
	handler func(context.Context, Message) error

	mu      sync.Mutex
	changed *sync.Cond // due or closed
	due     []*item
	behind  map[string][]*item // by workload, of each that has a message due, in progress or paused
	inHand  map[uint64]*item   // by sequence
	closed  bool

	last     uint64 // the sequence delivered last
	unbroken uint64 // the first of the run that it ends

	durable, stream time.Time // when they were created

	// Why and when DEAD took no letter last; of the one worker that has a letter.
	deadErr    error
	deadFailed time.Time
}

// item is one message in hand.
type item struct {
	stored
	jetstream.Msg
	workload string
	created  time.Time // of the stream
	unbroken uint64    // see Message
	busy     bool      // with a worker
	pause    clock.Backoff
	dead     error // why it goes to DEAD; nil: to the handler
}

func newDispatch(b *Bus, c Consumer, h func(context.Context, Message) error) *dispatch {
	d := &dispatch{bus: b, c: c, handler: h, behind: map[string][]*item{}, inHand: map[uint64]*item{}}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// start starts the workers. The returned function ends them: handlers in
// progress have drainTimeout, what was not begun goes back to the server.
func (d *dispatch) start(ctx context.Context) (stop func()) {
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	for range d.c.Workers {
		workers.Go(func() { d.work(handling) })
	}
	return func() {
		defer cancel()
		d.close()
		d.giveBack(false)
		done := make(chan struct{})
		go func() { workers.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(drainTimeout):
			cancel()
			select {
			case <-done:
			case <-time.After(time.Second):
				d.bus.log.Error("a handler does not end", "durable", d.c.Durable)
			}
		}
		d.giveBack(true) // what failed meanwhile
	}
}

func (d *dispatch) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.changed.Broadcast()
}

// giveBack lets the server deliver messages to another replica, or to the next
// process, without waiting for an acknowledgement.
func (d *dispatch) giveBack(busy bool) { d.tell(busy, jetstream.Msg.Nak) }

// hold tells the server that what is in hand is not forgotten: else it is
// delivered again.
func (d *dispatch) hold() { d.tell(true, jetstream.Msg.InProgress) }

// tell says something about the messages in hand, as far as the server listens.
func (d *dispatch) tell(busy bool, say func(jetstream.Msg) error) {
	d.mu.Lock()
	held := slices.Collect(maps.Values(d.inHand))
	held = slices.DeleteFunc(held, func(it *item) bool { return it.busy && !busy })
	d.mu.Unlock()
	for _, it := range held {
		if err := say(it); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			d.bus.log.Debug("messages in hand are not held", "sequence", it.sequence, "err", err)
			return
		}
	}
}

// begin prepares for the messages of a durable. What is in hand of another one
// is handled still, but the same sequence is no longer the same message.
func (d *dispatch) begin(durable, stream time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !durable.Equal(d.durable) || !stream.Equal(d.stream) {
		clear(d.inHand)
		d.last, d.unbroken = 0, 0
	}
	d.durable, d.stream = durable, stream
}

// add takes a message in hand. It never waits: one workload's trouble must not
// keep the others from being pulled.
func (d *dispatch) add(msg jetstream.Msg) {
	m, _, err := delivered(msg)
	if err != nil {
		d.bus.log.Error("message without metadata", "subject", msg.Subject(), "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unbroken == 0 || m.sequence != d.last+1 {
		d.unbroken = m.sequence
	}
	d.last = m.sequence
	if d.closed || d.inHand[m.sequence] != nil {
		return // acknowledging the delivery in hand ends this one too
	}
	workload := m.subject[strings.LastIndexByte(m.subject, '.')+1:]
	it := &item{stored: m, Msg: msg, workload: workload, created: d.stream, unbroken: d.unbroken, pause: backoff()}
	d.inHand[m.sequence] = it
	d.push(it)
}

func (d *dispatch) push(it *item) {
	queue, taken := d.behind[it.workload]
	if taken {
		d.behind[it.workload] = append(queue, it)
		return
	}
	d.behind[it.workload] = nil
	d.ready(it)
}

func (d *dispatch) ready(it *item) {
	d.due = append(d.due, it)
	d.changed.Signal()
}

func (d *dispatch) work(ctx context.Context) {
	for it := d.take(); it != nil; it = d.take() {
		d.settle(it, d.handle(ctx, it))
	}
}

// take waits for a message that is due; nil means that the dispatch is closed.
func (d *dispatch) take() *item {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.due) == 0 && !d.closed {
		d.changed.Wait()
	}
	if d.closed {
		return nil
	}
	it := d.due[0]
	d.due = d.due[1:]
	it.busy = true
	return it
}

func (d *dispatch) handle(ctx context.Context, it *item) error {
	if it.dead != nil {
		return d.bury(ctx, it)
	}
	m, err := it.message(it.created)
	if err != nil {
		return Terminal(err)
	}
	m.Unbroken = it.unbroken
	if err = d.handler(ctx, m); err == nil {
		d.confirm(ctx, it)
		return nil
	}
	if _, terminal := errors.AsType[terminalError](err); terminal {
		return err
	}
	d.bus.metrics.count(d.c.Durable, "retried")
	if ctx.Err() == nil && it.pause.Failures%10 == 0 {
		d.bus.log.Warn("message is retried", "subject", m.Subject, "sequence", m.Sequence, "attempts", it.pause.Failures+1, "err", err)
	}
	return err
}

// bury makes an attempt to send a message to DEAD. A worker does one at a time.
func (d *dispatch) bury(ctx context.Context, it *item) error {
	d.mu.Lock()
	crowded := len(d.behind[""]) > maxUnburied
	d.mu.Unlock()
	l := letter{d.c.Service, d.c.Stream, d.c.Durable, it.stored, it.created, it.dead}
	if crowded && time.Since(d.deadFailed) < deadRest {
		return d.bus.buried(l, d.deadErr, true, it.TermWithReason)
	}
	err := d.bus.storeLetter(ctx, l)
	if err != nil {
		d.deadFailed, d.deadErr = time.Now(), err
	}
	last := d.bus.nc.IsConnected() && ctx.Err() == nil && (crowded || it.pause.Failures+1 >= maxBurials)
	return d.bus.buried(l, err, last, it.TermWithReason)
}

// confirm acknowledges and waits for the server to say that it knows. If it does
// not, the message comes again, which a handler must bear.
func (d *dispatch) confirm(ctx context.Context, it *item) {
	if err := d.bus.do(ctx, it.Reply(), it.DoubleAck); err != nil {
		d.bus.metrics.count(d.c.Durable, "unconfirmed")
		d.bus.log.Debug("acknowledgement is not confirmed", "sequence", it.sequence, "err", err)
		return
	}
	d.bus.metrics.count(d.c.Durable, "done")
}

// settle ends a worker's turn at a message: it is done (nil), due again after a
// pause, or goes to DEAD, which no workload waits for.
func (d *dispatch) settle(it *item, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	it.busy = false
	terminal, dead := errors.AsType[terminalError](err)
	if err != nil && !dead {
		time.AfterFunc(it.pause.Failed(), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ready(it)
		})
		return
	}
	if err == nil && d.inHand[it.sequence] == it {
		delete(d.inHand, it.sequence)
	}
	if queue := d.behind[it.workload]; len(queue) > 0 {
		d.behind[it.workload] = queue[1:]
		d.ready(queue[0])
	} else {
		delete(d.behind, it.workload)
	}
	if dead {
		it.dead, it.workload = terminal, ""
		it.pause.Reset()
		d.push(it)
	}
}
