package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// dispatch is what a consumer has in hand: a lane for each workload, and workers
// that take the first message of a lane that nobody is at. A message that has to
// wait gives its worker back. The server's MaxAckPending bounds it all.
type dispatch struct {
	bus     *Bus
	c       Consumer
	handler func(context.Context, Message) error

	mu     sync.Mutex
	wake   *sync.Cond
	ready  []*lane             // whose first message is due
	lanes  map[string]*lane    // of every workload with messages in hand
	inHand map[uint64]struct{} // sequences
	closed bool

	last     uint64 // the sequence delivered last
	unbroken uint64 // the first of the run that it ends

	durable time.Time     // when the durable was created
	stream  time.Time     // when its stream was
	ackWait time.Duration // of the durable
	begun   chan struct{} // closed when these are known
}

// lane is the queue of one workload. Its first message is with a worker, or
// waiting in ready or for its pause to end.
type lane struct {
	key      string
	messages []*item
	busy     bool // the first message is with a worker
	pause    clock.Backoff
}

// item is one message in hand.
type item struct {
	delivered
	created  time.Time // of the stream
	unbroken uint64    // see Message
	dead     error     // why it goes to DEAD; nil: to the handler
}

// deadLane is the lane of the messages on their way to DEAD: no workload waits
// for them.
const deadLane = ""

func newDispatch(b *Bus, c Consumer, h func(context.Context, Message) error) *dispatch {
	d := &dispatch{bus: b, c: c, handler: h, lanes: map[string]*lane{}, inHand: map[uint64]struct{}{}, begun: make(chan struct{})}
	d.wake = sync.NewCond(&d.mu)
	return d
}

// begin prepares for the messages of a durable. If it is not the one from
// before, what is in hand and not begun is dropped: its sequences may mean
// something else by now, and the new durable delivers it again.
func (d *dispatch) begin(info *jetstream.ConsumerInfo, stream time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.durable.IsZero() {
		defer close(d.begun)
	}
	if !info.Created.Equal(d.durable) || !stream.Equal(d.stream) {
		clear(d.inHand)
		d.ready = nil
		d.last, d.unbroken = 0, 0
		for key, l := range d.lanes {
			if l.busy {
				l.messages = l.messages[:1]
				continue
			}
			l.messages = nil // a pause that ends finds nothing
			delete(d.lanes, key)
		}
	}
	d.durable, d.stream = info.Created, stream
	d.ackWait = max(info.Config.AckWait, time.Millisecond)
}

// add takes a message in hand. It never blocks: one workload's trouble must not
// keep the others from being pulled.
func (d *dispatch) add(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		d.bus.log.Error("message without metadata", "subject", msg.Subject(), "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unbroken == 0 || meta.Sequence.Stream != d.last+1 {
		d.unbroken = meta.Sequence.Stream
	}
	d.last = meta.Sequence.Stream
	if _, again := d.inHand[meta.Sequence.Stream]; again || d.closed {
		return // acknowledging the delivery in hand ends this one too
	}
	d.inHand[meta.Sequence.Stream] = struct{}{}
	key := msg.Subject()[strings.LastIndexByte(msg.Subject(), '.')+1:]
	d.push(key, &item{delivered: delivered{msg, meta}, created: d.stream, unbroken: d.unbroken})
}

func (d *dispatch) push(key string, it *item) {
	l := d.lanes[key]
	if l == nil {
		l = &lane{key: key, pause: backoff()}
		d.lanes[key] = l
	}
	l.messages = append(l.messages, it)
	if len(l.messages) == 1 {
		d.due(l)
	}
}

func (d *dispatch) due(l *lane) {
	d.ready = append(d.ready, l)
	d.wake.Signal()
}

// take waits for a message that is due; nil means that the dispatch is closed.
func (d *dispatch) take() (*lane, *item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.ready) == 0 && !d.closed {
		d.wake.Wait()
	}
	if d.closed {
		return nil, nil
	}
	l := d.ready[0]
	d.ready = d.ready[1:]
	l.busy = true
	return l, l.messages[0]
}

// settle ends a worker's turn at a lane: the message is done (nil), goes to the
// dead lane, or stays first and is due again after a pause.
func (d *dispatch) settle(l *lane, it *item, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.busy = false
	moved := err != nil && it.dead != nil && l.key != deadLane
	if err != nil && !moved {
		if !d.closed {
			time.AfterFunc(l.pause.Failed(), func() { d.resume(l, it) })
		}
		return
	}
	l.messages = l.messages[1:]
	l.pause.Reset()
	if moved {
		d.push(deadLane, it)
	} else if it.created.Equal(d.stream) {
		delete(d.inHand, it.meta.Sequence.Stream)
	}
	if len(l.messages) > 0 {
		d.due(l)
	} else if d.lanes[l.key] == l {
		delete(d.lanes, l.key)
	}
}

// resume makes a message due whose pause is over, if it is still in hand.
func (d *dispatch) resume(l *lane, it *item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && len(l.messages) > 0 && l.messages[0] == it {
		d.due(l)
	}
}

// waiting returns what is in hand; begun includes what is with a worker.
func (d *dispatch) waiting(begun bool) []*item {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*item
	for _, l := range d.lanes {
		if l.busy && !begun {
			all = append(all, l.messages[1:]...)
		} else {
			all = append(all, l.messages...)
		}
	}
	return all
}

// start starts the workers. The returned function ends them: handlers in
// progress have drainTimeout, what was not begun goes back to the server.
func (d *dispatch) start(ctx context.Context) (stop func()) {
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	for range d.c.Workers {
		workers.Go(func() { d.run(handling) })
	}
	go d.hold(handling)
	return func() {
		defer cancel()
		d.close()
		d.giveBack(d.waiting(false))
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
		d.giveBack(d.waiting(true)) // what failed meanwhile
	}
}

// giveBack lets the server deliver messages to another replica, or to the next
// process, without waiting for its patience to end.
func (d *dispatch) giveBack(items []*item) {
	for _, it := range items {
		if err := it.Nak(); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			d.bus.log.Debug("message is not given back", "sequence", it.meta.Sequence.Stream, "err", err)
		}
	}
}

func (d *dispatch) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.wake.Broadcast()
}

// run is one worker.
func (d *dispatch) run(ctx context.Context) {
	for l, it := d.take(); l != nil; l, it = d.take() {
		d.settle(l, it, d.handle(ctx, l, it))
	}
}

var errDead = errors.New("the message goes to DEAD")

// handle deals with one message. An error means: again, after a pause; or, of a
// message that is dead, in the dead lane.
func (d *dispatch) handle(ctx context.Context, l *lane, it *item) error {
	if it.dead != nil {
		return d.bury(ctx, it)
	}
	m, err := it.message(it.created)
	if err != nil {
		it.dead = err
		return errDead
	}
	m.Unbroken = it.unbroken
	err = d.handler(ctx, m)
	if err == nil {
		d.confirm(ctx, it)
		return nil
	}
	if terminal, ok := errors.AsType[terminalError](err); ok {
		it.dead = terminal
		return errDead
	}
	d.count("retried")
	if ctx.Err() == nil && l.pause.Failures%10 == 0 {
		d.bus.log.Warn("message is retried", "subject", m.Subject, "sequence", m.Sequence, "attempts", l.pause.Failures+1, "err", err)
	}
	return err
}

// confirm acknowledges and waits for the server to say that it knows. If it does
// not, the message comes again, which a handler must bear.
func (d *dispatch) confirm(ctx context.Context, it *item) {
	if err := d.bus.do(ctx, it.Reply(), it.DoubleAck); err != nil {
		d.count("unconfirmed")
		d.bus.log.Debug("acknowledgement is not confirmed", "sequence", it.meta.Sequence.Stream, "err", err)
		return
	}
	d.count("done")
}

func (d *dispatch) count(outcome string) {
	d.bus.metrics.handled.WithLabelValues(d.c.Durable, outcome).Inc()
}

// hold tells the server from time to time that what is in hand is not forgotten:
// else it is delivered again.
func (d *dispatch) hold(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-d.begun:
	}
	for {
		d.mu.Lock()
		every := d.ackWait / 3
		d.mu.Unlock()
		if !clock.Sleep(ctx, every) {
			return
		}
		for _, it := range d.waiting(true) {
			if err := it.InProgress(); err != nil {
				d.bus.log.Debug("messages in hand are not held", "durable", d.c.Durable, "err", err)
				break
			}
		}
	}
}
