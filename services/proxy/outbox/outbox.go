// Package outbox holds the events that the bus has not acknowledged yet, in
// memory and, when that takes longer than a moment, in a small synced file, so
// that a crash while the broker is away loses nothing.
package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// maxHeld bounds what is held of one workload. Beyond it the first and the
// latest events stay: where it began, and the state that is true now.
const maxHeld = 64

// Publisher sends an event and waits until the bus has stored it.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// Options of an outbox.
type Options struct {
	Dir       string // of the file; empty: memory only
	Publisher Publisher
	// Refused reports whether an error of Publish stays as long as nobody acts
	// (a denied subject). The other workloads' events go on meanwhile.
	Refused func(error) bool
	Log     *slog.Logger
	// Acknowledged is told about each stored event and how long that took since
	// it was added.
	Acknowledged func(e event.Event, lag time.Duration)
}

// Outbox publishes events in the order in which they were added, per workload.
type Outbox struct {
	o    Options
	file string

	mu      sync.Mutex
	queues  map[string]*queue // by workload
	turn    []string          // workloads with events, the next one first
	held    int
	stats   Stats
	healthy bool // the last attempt was acknowledged

	wake  chan struct{} // something was added
	dirty chan struct{} // what is held differs from the file

	stored map[string]bool // ids in the file; the keeper's alone
}

type queue struct {
	items   []*item
	refused time.Time // not before this time: the bus said no
}

type item struct {
	event event.Event
	added time.Time
}

// Stats are the outbox's numbers.
type Stats struct {
	Held      int
	Oldest    time.Time // when the oldest held event was added; zero: none
	Coalesced uint64    // left out because too many were held
	Retries   uint64
	Refusals  uint64
}

// Open returns an outbox with the events that an earlier process left.
func Open(o Options) (*Outbox, error) {
	b := &Outbox{
		o:       o,
		queues:  map[string]*queue{},
		healthy: true,
		wake:    make(chan struct{}, 1),
		dirty:   make(chan struct{}, 1),
		stored:  map[string]bool{},
	}
	if o.Dir == "" {
		return b, nil
	}
	b.file = filepath.Join(o.Dir, "outbox.jsonl")
	left, err := load(b.file, o.Log)
	if err != nil {
		return nil, fmt.Errorf("read the events left by the last run: %w", err)
	}
	for _, e := range left {
		b.stored[e.ID()] = true
		b.Add(e)
	}
	return b, nil
}

// Add takes an event in. It does no I/O and does not wait.
func (b *Outbox) Add(e event.Event) {
	b.mu.Lock()
	q := b.queues[e.Subject()]
	if q == nil {
		q = &queue{}
		b.queues[e.Subject()] = q
	}
	if len(q.items) == 0 {
		b.turn = append(b.turn, e.Subject())
	}
	q.items = append(q.items, &item{e, time.Now()})
	b.held++
	if len(q.items) > maxHeld {
		q.items = append(q.items[:1], q.items[2:]...)
		b.held--
		b.stats.Coalesced++
	}
	b.mu.Unlock()
	signal(b.wake)
	signal(b.dirty)
}

// Stats returns the numbers as they are now.
func (b *Outbox) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Held = b.held
	for _, q := range b.queues {
		if at := q.items[0].added; s.Oldest.IsZero() || at.Before(s.Oldest) {
			s.Oldest = at
		}
	}
	return s
}

// next returns the event whose turn it is, and when to look again if every
// workload has to wait.
func (b *Outbox) next(now time.Time) (it *item, again time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.turn {
		name := b.turn[0]
		b.turn = append(b.turn[1:], name)
		q := b.queues[name]
		if now.Before(q.refused) {
			if again.IsZero() || q.refused.Before(again) {
				again = q.refused
			}
			continue
		}
		return q.items[0], time.Time{}
	}
	return nil, again
}

// acknowledged removes an event that the bus has stored.
func (b *Outbox) acknowledged(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.healthy = true
	name := it.event.Subject()
	q := b.queues[name]
	q.items, q.refused = q.items[1:], time.Time{}
	b.held--
	if len(q.items) > 0 {
		return
	}
	delete(b.queues, name)
	for i, n := range b.turn {
		if n == name {
			b.turn = append(b.turn[:i], b.turn[i+1:]...)
			break
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
