package notifier

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

const (
	// forgetAfter is how long the row of a finished incident is kept.
	forgetAfter = 7 * 24 * time.Hour
	// slowly is how many rows are stored at a time while nothing is to be sent.
	slowly = 4
)

// queue holds what one receiver is to be sent: [plan.Queue] for several
// goroutines, with the rows that are being stored.
type queue struct {
	config receiver.Config
	clock  clock.Clock
	log    *slog.Logger
	hash   string        // of config
	wake   chan struct{} // something may be due

	mu        sync.Mutex
	plan      *plan.Queue
	notes     map[string]string // by workload: why this receiver stands in for another
	storing   map[int]uint64    // by token: the first sequence that is not stored yet
	token     int
	lastError string
	delivered time.Time // the last accepted message
}

func newQueue(c receiver.Config, clk clock.Clock, log *slog.Logger) *queue {
	s := plan.Settings{Receiver: c.Name, Labelled: c.Forgets(), Jitter: rand.Float64}
	if l, ok := c.Limit(); ok {
		s.Limit = rate.NewLimiter(rate.Every(l.Per.Std()), l.Burst)
	}
	return &queue{
		config: c, clock: clk, log: log, hash: c.Hash(), wake: make(chan struct{}, 1),
		plan: plan.NewQueue(s), notes: map[string]string{}, storing: map[int]uint64{},
	}
}

// load takes in a stored row, and reports whether it is worth keeping.
func (q *queue) load(workload string, value []byte) bool {
	var row plan.Row
	if err := json.Unmarshal(value, &row); err != nil {
		q.log.Error("a stored delivery cannot be read, its alert may be repeated",
			"receiver", q.config.Name, "workload", workload, "err", err)
		return false
	}
	last := row.Delivered
	if !last.Open && row.Due == nil && row.Pending == nil && q.clock.Now().Sub(last.At) > forgetAfter {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if last.At.After(q.delivered) {
		q.delivered = last.At
	}
	q.plan.Load(workload, row)
	return true
}

// restore takes in the stored health of the receiver and returns what holds now:
// a refusal of another configuration is over.
func (q *queue) restore(h receiverHealth) receiverHealth {
	if h.Config != q.hash {
		h.Health = plan.Up
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastError = h.Error
	q.plan.Restore(h.Health, h.Since)
	return h
}

// resume continues the deliveries of the loaded rows.
func (q *queue) resume() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.plan.Resume(q.clock.Now())
}

// observe takes in a workload's record.
func (q *queue) observe(rec events.Record, seq uint64, p plan.Policy, note string) {
	q.mu.Lock()
	q.plan.Observe(rec, seq, p, q.clock.Now())
	if q.notes[rec.Workload] = note; note == "" {
		delete(q.notes, rec.Workload)
	}
	q.mu.Unlock()
	q.ring()
}

// takeOver takes in incidents that are over and that another receiver did not
// accept. No route selects those any more.
func (q *queue) takeOver(d *plan.Delivery, records []events.Record, note string) {
	q.mu.Lock()
	for i, rec := range records {
		due := plan.Due{Incident: d.Members[i].Incident, Incidents: d.Members[i].Incidents}
		if l := rec.LastIncident; l != nil && l.ID == due.Incident {
			due.Opened, due.Closed, due.Reason = l.Opened, l.Closed, l.Reason
		}
		q.notes[rec.Workload] = note
		q.plan.TakeOver(rec, due, plan.Policy{SendResolved: q.config.WantsResolved()}, q.clock.Now())
	}
	q.mu.Unlock()
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// lost reports whether another receiver has to get a workload's alerts, and why.
func (q *queue) lost(workload string) (why string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lastError, q.plan.Lost(workload, q.clock.Now())
}

// rows are to be stored. Until they are, first is not reflected in any.
type rows struct {
	writes []plan.Write
	width  int // how many may be stored at the same time
	token  int
}

// next returns what to do: a delivery with its row, rows to store, or the time to
// ask again. A receiver that does not accept messages may have thousands of rows
// to store. They are stored one at a time, so that the rows of the other
// receivers do not wait behind them.
func (q *queue) next() (d *plan.Delivery, intent, parked rows, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	d, at = q.plan.Next(now)
	low, behind := q.plan.Low()
	if d == nil {
		return nil, rows{}, q.hold(q.plan.Parked(slowly), 1, low, behind), at
	}
	parked = q.hold(q.plan.Parked(math.MaxInt), together, low, behind)
	intent = q.hold([]plan.Write{q.plan.Intent(d, now)}, 1, low, behind)
	return d, intent, parked, at
}

func (q *queue) hold(writes []plan.Write, width int, low uint64, behind bool) rows {
	r := rows{writes: writes, width: width}
	if behind && len(writes) > 0 {
		q.token++
		r.token = q.token
		q.storing[r.token] = low
	}
	return r
}

// stored says that rows of next are stored.
func (q *queue) stored(r rows) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.storing, r.token)
}

// low is the first sequence that no stored row reflects.
func (q *queue) low() (seq uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	seq, ok = q.plan.Low()
	for _, s := range q.storing {
		if !ok || s < seq {
			seq, ok = s, true
		}
	}
	return seq, ok
}

// message is what a delivery says; not ok if it must not be attempted now.
func (q *queue) message(d *plan.Delivery, may bool) (m receiver.Message, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !may || !q.plan.Ready(q.clock.Now()) {
		q.plan.Return(d)
		return receiver.Message{}, false
	}
	m = receiver.Message{
		ID: d.ID, Kind: d.Kind, Receiver: q.config.Name, Time: d.Created,
		Workloads: q.plan.Records(d), Open: d.Members[0].Open, Thread: d.Thread, Ref: d.Ref, Left: d.Left,
	}
	for _, r := range m.Workloads {
		m.Trace = cmp.Or(m.Trace, traceOf(r))
	}
	if isWarning(d) {
		warningsAs(m.Workloads)
		if m.Open {
			m.Kind = events.KindExpiring
		}
	}
	if isSelfAlert(d) {
		m.About, m.Notice, m.Workloads = d.Members[0].Workload, selfAlertText(m.Workloads), nil
	}
	for _, member := range d.Members {
		m.Note = cmp.Or(m.Note, q.notes[member.Workload])
	}
	return m, true
}

// open is what the receiver knows as bad: one message of all workloads, and one of
// each self alert. There is none if the receiver is to be left alone.
func (q *queue) open() []receiver.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	if !q.plan.Ready(now) {
		return nil
	}
	var all []receiver.Message
	m := receiver.Message{Kind: events.KindOpened, Receiver: q.config.Name, Time: now, Open: true}
	for _, r := range q.plan.Open() {
		if !strings.HasPrefix(r.Workload, selfAlertPrefix) {
			m.Workloads = append(m.Workloads, r)
			continue
		}
		own := m
		own.Time, own.About, own.Workloads, own.Notice = r.Since, r.Workload, nil, selfAlertText([]events.Record{r})
		all = append(all, own)
	}
	if len(m.Workloads) > 0 {
		warningsAs(m.Workloads)
		all = append(all, m)
	}
	return all
}

// effect is what the result of an attempt led to.
type effect struct {
	writes []plan.Write
	health *receiverHealth // where it changed
	failed bool            // the delivery was given up just now
}

// done takes in the result of an attempt.
func (q *queue) done(d *plan.Delivery, r plan.Result) effect {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	health, away, failed := q.plan.Health(), q.plan.Away(now), d.Failed
	e := effect{writes: q.plan.Done(d, r, now)}
	e.failed = d.Failed && !failed
	q.lastError = r.Error
	if r.Outcome == plan.Delivered {
		q.delivered = now
	}
	after := q.plan.Health()
	if away != q.plan.Away(now) || health != after && (health == plan.Off || after == plan.Off) {
		e.health = &receiverHealth{Health: after, Since: now, Error: r.Error, Config: q.hash}
	}
	return e
}

// release says that the rows of done are stored. It returns the records that the
// delivery shows.
func (q *queue) release(d *plan.Delivery) []events.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.plan.Stored(d)
	q.ring()
	return q.plan.Records(d)
}

// tested takes in the result of a test.
func (q *queue) tested(r plan.Result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	if r.Outcome == plan.Delivered && r.Error == "" {
		q.delivered = now
	}
	q.plan.Tested(r, now)
}

// explain says what the receiver gets next about a workload.
func (q *queue) explain(workload string) (w plan.Wait, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.plan.Explain(workload, q.clock.Now())
}

// replay attempts a delivery now, or all of them where id is empty.
func (q *queue) replay(id string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.ring()
	return q.plan.Replay(id)
}

// glance is the state of a queue for metrics and the self test.
type glance struct {
	health    plan.Health
	delivered time.Time     // the last accepted message
	oldest    time.Duration // how long the oldest message is due; 0: none
}

func (q *queue) glance() glance {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	g := glance{health: q.plan.Health(), delivered: q.delivered}
	if since, ok := q.plan.Oldest(now); ok {
		g.oldest = max(now.Sub(since), 0)
	}
	return g
}

// standInNote says to a fallback why it gets an alert.
func standInNote(receiver, why string) string {
	return fmt.Sprintf("You get this alert because receiver %q did not accept it: %s", receiver, why)
}
