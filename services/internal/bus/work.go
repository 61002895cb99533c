package bus

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// work is what a consumer has in hand: a lane for each workload, and workers
// that take the first message of a lane that nobody is at. A message that has to
// wait gives its worker back. The server's MaxAckPending bounds it all.
type work struct {
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
	pause    backoff
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

func newWork(b *Bus, c Consumer, h func(context.Context, Message) error) *work {
	w := &work{bus: b, c: c, handler: h, lanes: map[string]*lane{}, inHand: map[uint64]struct{}{}, begun: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	return w
}

// begin prepares for the messages of a durable. If it is not the one from
// before, what is in hand and not begun is dropped: its sequences may mean
// something else by now, and the new durable delivers it again.
func (w *work) begin(info *jetstream.ConsumerInfo, stream time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.durable.IsZero() {
		defer close(w.begun)
	}
	if !info.Created.Equal(w.durable) || !stream.Equal(w.stream) {
		clear(w.inHand)
		w.ready = nil
		w.last, w.unbroken = 0, 0
		for key, l := range w.lanes {
			if l.busy {
				l.messages = l.messages[:1]
				continue
			}
			l.messages = nil // a pause that ends finds nothing
			delete(w.lanes, key)
		}
	}
	w.durable, w.stream = info.Created, stream
	w.ackWait = max(info.Config.AckWait, time.Millisecond)
}

// add takes a message in hand. It never blocks: one workload's trouble must not
// keep the others from being pulled.
func (w *work) add(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		w.bus.log.Error("message without metadata", "subject", msg.Subject(), "err", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unbroken == 0 || meta.Sequence.Stream != w.last+1 {
		w.unbroken = meta.Sequence.Stream
	}
	w.last = meta.Sequence.Stream
	if _, again := w.inHand[meta.Sequence.Stream]; again || w.closed {
		return // acknowledging the delivery in hand ends this one too
	}
	w.inHand[meta.Sequence.Stream] = struct{}{}
	key := msg.Subject()[strings.LastIndexByte(msg.Subject(), '.')+1:]
	w.push(key, &item{delivered: delivered{msg, meta}, created: w.stream, unbroken: w.unbroken})
}

func (w *work) push(key string, it *item) {
	l := w.lanes[key]
	if l == nil {
		l = &lane{key: key}
		w.lanes[key] = l
	}
	l.messages = append(l.messages, it)
	if len(l.messages) == 1 {
		w.due(l)
	}
}

func (w *work) due(l *lane) {
	w.ready = append(w.ready, l)
	w.wake.Signal()
}

// take waits for a message that is due; nil means that the work is closed.
func (w *work) take() (*lane, *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.ready) == 0 && !w.closed {
		w.wake.Wait()
	}
	if w.closed {
		return nil, nil
	}
	l := w.ready[0]
	w.ready = w.ready[1:]
	l.busy = true
	return l, l.messages[0]
}

// settle ends a worker's turn at a lane: the message is done (nil), goes to the
// dead lane, or stays first and is due again after a pause.
func (w *work) settle(l *lane, it *item, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.busy = false
	moved := err != nil && it.dead != nil && l.key != deadLane
	if err != nil && !moved {
		if !w.closed {
			time.AfterFunc(l.pause.next(), func() { w.resume(l, it) })
		}
		return
	}
	l.messages = l.messages[1:]
	l.pause.reset()
	if moved {
		w.push(deadLane, it)
	} else if it.created.Equal(w.stream) {
		delete(w.inHand, it.meta.Sequence.Stream)
	}
	if len(l.messages) > 0 {
		w.due(l)
	} else if w.lanes[l.key] == l {
		delete(w.lanes, l.key)
	}
}

// resume makes a message due whose pause is over, if it is still in hand.
func (w *work) resume(l *lane, it *item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && len(l.messages) > 0 && l.messages[0] == it {
		w.due(l)
	}
}

// waiting returns what is in hand; begun includes what is with a worker.
func (w *work) waiting(begun bool) []*item {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*item
	for _, l := range w.lanes {
		if l.busy && !begun {
			all = append(all, l.messages[1:]...)
		} else {
			all = append(all, l.messages...)
		}
	}
	return all
}
