package plan

import (
	"container/heap"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/authwatch/authwatch/events"
)

// Queue decides for one receiver what is sent next. Messages leave it one at a
// time: at most one is in doubt after a crash, and a receiver never gets two at
// once. It is not safe for concurrent use.
//
// The caller takes a delivery with [Queue.Next], stores the rows of
// [Queue.Intent], sends it, and hands the answer to [Queue.Done], whose rows it
// stores before it takes another one.
type Queue struct {
	receiver string
	labelled bool
	limit    *rate.Limiter
	jitter   func() float64 // in [0,1)

	entries map[string]*entry   // by workload
	dirty   map[string]struct{} // to be planned again
	batches map[string]*batch   // messages in the making
	retries map[string]*Delivery
	threads map[string]int // how many workloads a thread holds open
	parked  map[string]struct{}
	unsaved map[string]uint64 // sequence of the opening, or the end of a workload, that only memory knows of
	alarms  alarms

	circuit circuit
	clock   time.Time // the latest time shown to Next
	taken   int       // deliveries handed out and not done
}

// entry is one workload as the receiver's queue sees it.
type entry struct {
	rec      events.Record
	seq      uint64 // of rec
	opening  events.Record
	row      Row
	policy   Policy
	batch    string    // it waits in
	delivery *Delivery // it is part of
}

// Settings are what a queue needs to know of its receiver.
type Settings struct {
	Receiver string
	// Labelled is set for a receiver that knows workloads by their labels: what it
	// was told of them holds until the incident is over.
	Labelled bool
	Limit    *rate.Limiter  // nil: none
	Jitter   func() float64 // in [0,1); nil: none
}

// NewQueue makes the queue of a receiver that never got a message.
func NewQueue(s Settings) *Queue {
	if s.Limit == nil {
		s.Limit = rate.NewLimiter(rate.Inf, 1)
	}
	if s.Jitter == nil {
		s.Jitter = func() float64 { return 0 }
	}
	return &Queue{
		receiver: s.Receiver, labelled: s.Labelled, limit: s.Limit, jitter: s.Jitter,
		entries: map[string]*entry{}, dirty: map[string]struct{}{},
		batches: map[string]*batch{}, retries: map[string]*Delivery{},
		threads: map[string]int{}, parked: map[string]struct{}{}, unsaved: map[string]uint64{},
	}
}

// Load takes in a stored row, before anything is observed.
func (q *Queue) Load(workload string, row Row) {
	e := &entry{rec: events.Record{Workload: workload}, row: row}
	q.entries[workload] = e
	if row.Delivered.Open {
		q.threads[row.Delivered.Thread]++
	}
}

// Resume takes up the deliveries of the loaded rows.
func (q *Queue) Resume(now time.Time) {
	q.clock = now
	for _, name := range q.Workloads() {
		if d := q.entries[name].row.Pending; d != nil {
			q.adopt(d, now)
		}
	}
}

func (q *Queue) adopt(d *Delivery, now time.Time) {
	for _, m := range d.Members {
		e := q.entries[m.Workload]
		if e == nil {
			e = &entry{rec: events.Record{Workload: m.Workload}}
			q.entries[m.Workload] = e
		}
		if e.delivery == nil {
			e.delivery = d
		}
	}
	d.At = earlier(d.At, now)
	q.retries[d.ID] = d
	if d.Requested {
		q.circuit.pause(d.At, d.Wait)
	}
	q.alarms.set(later(d.Next(), now), d.ID)
}

// drop forgets a delivery; its workloads are planned anew.
func (q *Queue) drop(d *Delivery) {
	delete(q.retries, d.ID)
	for _, m := range d.Members {
		if e := q.entries[m.Workload]; e != nil && e.delivery == d {
			e.delivery = nil
			q.dirty[m.Workload] = struct{}{}
		}
	}
}

// Observe takes note of a workload's record, in the order of the stream.
func (q *Queue) Observe(rec events.Record, seq uint64, p Policy, now time.Time) {
	e := q.entries[rec.Workload]
	if e == nil {
		if !p.Routed || rec.Incident == "" {
			return
		}
		e = &entry{}
		q.entries[rec.Workload] = e
	}
	before := e.row
	e.row = e.row.observe(rec, p.Routed, now)
	var ended bool
	e.row, ended = e.row.noteEnd(rec, e.told()...)
	e.rec, e.seq, e.policy = rec, seq, p
	if o := e.row.Due; o != nil && (before.Due == nil || before.Due.Incident != o.Incident) {
		e.opening = rec
		q.unsave(rec.Workload, seq)
	}
	// That an incident ended with its workload stands in no later record.
	if ended && (e.row.Delivered.Open || e.row.Due != nil || e.delivery != nil) {
		q.unsave(rec.Workload, seq)
	}
	q.dirty[rec.Workload] = struct{}{}
}

// told are the incidents of the messages that are on their way.
func (e *entry) told() []string {
	var incidents []string
	if e.delivery != nil {
		for _, m := range e.delivery.Members {
			incidents = append(incidents, m.Incident)
		}
	}
	return incidents
}

// unsave notes that no stored row reflects the workload's record at seq; 0: it is no
// record of the stream.
func (q *Queue) unsave(workload string, seq uint64) {
	if _, earlier := q.unsaved[workload]; !earlier && seq > 0 {
		q.unsaved[workload] = seq
	}
}

// TakeOver makes an incident due here that another receiver did not accept, also
// when it is over.
func (q *Queue) TakeOver(rec events.Record, o Due, p Policy, now time.Time) {
	e := q.entries[rec.Workload]
	if e == nil {
		e = &entry{row: Row{Seen: Seen{Incident: rec.Incident, At: now}}}
		q.entries[rec.Workload] = e
	}
	e.rec, e.policy = rec, p
	e.row, _ = e.row.noteEnd(rec, e.told()...)
	if o.Incident != e.row.Delivered.Incident && (o.Incidents == 0 || o.Incidents > e.row.Delivered.Incidents) {
		e.row.Due = &o
		q.parked[rec.Workload] = struct{}{}
	}
	q.dirty[rec.Workload] = struct{}{}
}

// Replay attempts a delivery now, whatever was decided about waiting; all of
// them where id is empty. It says how many there are.
func (q *Queue) Replay(id string) int {
	found := map[string]bool{}
	for _, e := range q.entries {
		d := e.delivery
		if d == nil || d.accepted || found[d.ID] || id != "" && d.ID != id {
			continue
		}
		found[d.ID] = true
		d.Wait = 0
		if !d.taken { // else it is looked at when its row is stored
			q.alarms.set(d.Next(), d.ID)
		}
	}
	if len(found) > 0 {
		q.circuit.rest, q.circuit.off = 0, false
	}
	return len(found)
}

// Next is the delivery to attempt now, or nil and the time to ask again; the
// zero time means after something happened.
func (q *Queue) Next(now time.Time) (*Delivery, time.Time) {
	q.rewind(now)
	q.replan(now)
	if at := q.circuit.opens(now); at.After(now) {
		q.park(now, at)
		return nil, at
	}
	if q.taken > 0 && q.circuit.trial() {
		return nil, time.Time{}
	}
	for {
		if len(q.alarms) == 0 {
			return nil, time.Time{}
		}
		top := q.alarms[0]
		if top.at.After(now) {
			return nil, top.at
		}
		if !q.live(top) {
			heap.Pop(&q.alarms)
			continue
		}
		if r := q.limit.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			return nil, now.Add(wait)
		}
		heap.Pop(&q.alarms)
		if d := q.take(top.key, now); d != nil {
			q.taken++
			delete(q.retries, d.ID)
			return d, time.Time{}
		}
		q.replan(now)
	}
}

// rewind follows a clock that was set back: every wait starts over, at most.
func (q *Queue) rewind(now time.Time) {
	if !now.Before(q.clock) {
		q.clock = now
		return
	}
	q.clock = now
	for name := range q.entries {
		q.dirty[name] = struct{}{}
	}
	for _, d := range q.retries {
		d.At = earlier(d.At, now)
		q.alarms.set(d.Next(), d.ID)
	}
}

// take turns the message in the making, or the retry, of that key into a
// delivery. It is nil if there is nothing to say any more.
func (q *Queue) take(key string, now time.Time) *Delivery {
	if b := q.batches[key]; b != nil {
		return q.build(b, now)
	}
	d := q.retries[key]
	if d.Uncertain {
		if q.holds(d, now) {
			return d
		}
		q.assume(d, now)
		return nil
	}
	// Certainly not received: whatever is true now is sent instead, by the same
	// id if it is the same message.
	q.drop(d)
	q.replan(now)
	if first := q.entries[d.Members[0].Workload]; first != nil {
		if b := q.batches[first.batch]; b != nil && !b.sendAt().After(now) {
			return q.build(b, now, d)
		}
	}
	q.parked[d.Members[0].Workload] = struct{}{}
	return nil
}

// holds reports whether d, which was perhaps received, is still true of one of its
// workloads, and so worth repeating.
func (q *Queue) holds(d *Delivery, now time.Time) bool {
	return slices.ContainsFunc(d.Members, func(m Member) bool {
		e := q.entries[m.Workload]
		switch {
		case d.Kind == events.KindResolved:
			// Also when something else would be said by now: the end may come up
			// again in other company, and that would be another message.
			return e.ended(m.Incident)
		case d.Kind != events.KindReminder && m.Open:
			return e.rec.Incident == m.Incident
		}
		a := plan(e.rec, e.row, e.policy, now)
		// Since it was due, somebody may have silenced or acknowledged it.
		return a.same(m.action(d.Kind)) && (d.Kind != events.KindReminder || !a.Early.After(now))
	})
}

// ended reports whether an incident that the receiver knows as open is over.
func (e *entry) ended(incident string) bool {
	return e.policy.SendResolved && e.rec.Incident != incident && e.row.Delivered.Open && e.row.Delivered.Incident == incident
}

// assume gives up on a message that was perhaps received and is not true any more.
// A receiver that wants to know of ends is taken to have got the opening,
// so that nothing it may have opened stays open.
func (q *Queue) assume(d *Delivery, now time.Time) {
	q.drop(d)
	q.parked[d.Members[0].Workload] = struct{}{}
	if d.Kind == events.KindReminder {
		return
	}
	for _, m := range d.Members {
		if e := q.entries[m.Workload]; m.Open && e.policy.SendResolved {
			q.record(e, m, d, now)
			q.parked[m.Workload] = struct{}{}
		}
	}
}

func (q *Queue) record(e *entry, m Member, d *Delivery, now time.Time) {
	q.unthread(e)
	labels := q.labels(e, m, d)
	e.row = e.row.delivered(m, d, now)
	if e.row.Delivered.Open {
		e.row.Delivered.Labels = labels
	}
	if e.row.Delivered.Open {
		q.threads[e.row.Delivered.Thread]++
	}
	if e.row.Due == nil {
		delete(q.unsaved, m.Workload)
	}
}

// unthread takes a workload out of the conversation that holds it open.
func (q *Queue) unthread(e *entry) {
	if !e.row.Delivered.Open {
		return
	}
	t := e.row.Delivered.Thread
	if q.threads[t]--; q.threads[t] <= 0 {
		delete(q.threads, t)
	}
	if b := q.batches[events.KindResolved+"/"+t]; b != nil {
		q.alarms.set(b.sendAt(), b.key) // it may be complete now
	}
}

// Workloads are the names of all that the queue knows.
func (q *Queue) Workloads() []string {
	names := make([]string, 0, len(q.entries))
	for name := range q.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
