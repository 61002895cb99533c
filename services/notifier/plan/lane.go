package plan

import (
	"container/heap"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/authwatch/authwatch/events"
)

// Lane decides for one receiver what is sent next. Messages leave it one at a
// time: at most one is in doubt after a crash, and a receiver never gets two at
// once. It is not safe for concurrent use.
//
// The caller takes a delivery with [Lane.Next], stores the rows of
// [Lane.Intent], sends it, and hands the answer to [Lane.Done], whose rows it
// stores before it takes another one.
type Lane struct {
	receiver string
	limit    *rate.Limiter
	jitter   func() float64 // in [0,1)

	entries map[string]*entry   // by workload
	dirty   map[string]struct{} // to be planned again
	batches map[string]*batch   // messages in the making
	retries map[string]*Delivery
	threads map[string]int // how many workloads a thread holds open
	parked  map[string]struct{}
	unsaved map[string]uint64 // sequence of the opening that only memory knows of
	alarms  alarms

	circuit circuit
	clock   time.Time // the latest time shown to Next
	taken   int       // deliveries handed out and not done
}

// entry is one workload as the receiver's lane sees it.
type entry struct {
	rec     events.Record
	seq     uint64 // of rec
	opening events.Record
	row     Row
	policy  Policy
	batch   string    // it waits in
	job     *Delivery // it is part of
}

// Settings are what a lane needs to know of its receiver.
type Settings struct {
	Receiver string
	Limit    *rate.Limiter  // nil: none
	Jitter   func() float64 // in [0,1); nil: none
}

// NewLane makes the lane of a receiver that has never been told of anything.
func NewLane(s Settings) *Lane {
	if s.Limit == nil {
		s.Limit = rate.NewLimiter(rate.Inf, 1)
	}
	if s.Jitter == nil {
		s.Jitter = func() float64 { return 0 }
	}
	return &Lane{
		receiver: s.Receiver, limit: s.Limit, jitter: s.Jitter,
		entries: map[string]*entry{}, dirty: map[string]struct{}{},
		batches: map[string]*batch{}, retries: map[string]*Delivery{},
		threads: map[string]int{}, parked: map[string]struct{}{}, unsaved: map[string]uint64{},
	}
}

// Load takes in a stored row, before anything is observed.
func (l *Lane) Load(workload string, row Row) {
	e := &entry{rec: events.Record{Workload: workload}, row: row}
	l.entries[workload] = e
	if row.Told.Open {
		l.threads[row.Told.Thread]++
	}
}

// Resume takes up the deliveries of the loaded rows.
func (l *Lane) Resume(now time.Time) {
	l.clock = now
	for _, name := range l.Workloads() {
		if d := l.entries[name].row.Pending; d != nil {
			l.adopt(d, now)
		}
	}
}

func (l *Lane) adopt(d *Delivery, now time.Time) {
	for _, m := range d.Members {
		e := l.entries[m.Workload]
		if e == nil {
			e = &entry{rec: events.Record{Workload: m.Workload}}
			l.entries[m.Workload] = e
		}
		if e.job == nil {
			e.job = d
		}
	}
	d.At = earlier(d.At, now)
	l.retries[d.ID] = d
	if d.Asked {
		l.circuit.pause(d.At, d.Wait)
	}
	l.alarms.set(later(d.Next(), now), d.ID)
}

// drop forgets a delivery; its workloads are planned anew.
func (l *Lane) drop(d *Delivery) {
	delete(l.retries, d.ID)
	for _, m := range d.Members {
		if e := l.entries[m.Workload]; e != nil && e.job == d {
			e.job = nil
			l.dirty[m.Workload] = struct{}{}
		}
	}
}

// Observe takes note of a workload's record, in the order of the stream.
func (l *Lane) Observe(rec events.Record, seq uint64, p Policy, now time.Time) {
	e := l.entries[rec.Workload]
	if e == nil {
		if !p.Routed || rec.Incident == "" {
			return
		}
		e = &entry{}
		l.entries[rec.Workload] = e
	}
	before := e.row.Owed
	e.row = e.row.observe(rec, p.Routed, now)
	e.rec, e.seq, e.policy = rec, seq, p
	if o := e.row.Owed; o != nil && (before == nil || before.Incident != o.Incident) {
		if e.opening = rec; seq > 0 {
			l.unsaved[rec.Workload] = seq
		}
	}
	l.dirty[rec.Workload] = struct{}{}
}

// Owe makes the receiver hear of an incident that another one could not be told
// of, also when it is over.
func (l *Lane) Owe(rec events.Record, o Owed, p Policy, now time.Time) {
	e := l.entries[rec.Workload]
	if e == nil {
		e = &entry{row: Row{Seen: Seen{Incident: rec.Incident, At: now}}}
		l.entries[rec.Workload] = e
	}
	e.rec, e.policy = rec, p
	if o.Incident != e.row.Told.Incident && (o.Incidents == 0 || o.Incidents > e.row.Told.Incidents) {
		e.row.Owed = &o
		l.parked[rec.Workload] = struct{}{}
	}
	l.dirty[rec.Workload] = struct{}{}
}

// Next is the delivery to attempt now, or nil and the time to ask again; the
// zero time means after something happened.
func (l *Lane) Next(now time.Time) (*Delivery, time.Time) {
	l.rewind(now)
	l.replan(now)
	if at := l.circuit.opens(now); at.After(now) {
		l.park(now, at)
		return nil, at
	}
	if l.taken > 0 && l.circuit.trial() {
		return nil, time.Time{}
	}
	for {
		if len(l.alarms) == 0 {
			return nil, time.Time{}
		}
		top := l.alarms[0]
		if top.at.After(now) {
			return nil, top.at
		}
		if !l.live(top) {
			heap.Pop(&l.alarms)
			continue
		}
		if r := l.limit.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			return nil, now.Add(wait)
		}
		heap.Pop(&l.alarms)
		if d := l.take(top.key, now); d != nil {
			l.taken++
			delete(l.retries, d.ID)
			return d, time.Time{}
		}
		l.replan(now)
	}
}

// rewind follows a clock that was set back: every wait starts over, at most.
func (l *Lane) rewind(now time.Time) {
	if !now.Before(l.clock) {
		l.clock = now
		return
	}
	l.clock = now
	for name := range l.entries {
		l.dirty[name] = struct{}{}
	}
	for _, d := range l.retries {
		d.At = earlier(d.At, now)
		l.alarms.set(d.Next(), d.ID)
	}
}

// take turns the message in the making, or the retry, of that key into a
// delivery. It is nil if there is nothing to say any more.
func (l *Lane) take(key string, now time.Time) *Delivery {
	if b := l.batches[key]; b != nil {
		return l.build(b, now)
	}
	d := l.retries[key]
	if d.Unsure {
		if l.holds(d, now) {
			return d
		}
		l.assume(d, now)
		return nil
	}
	// Certainly not heard: whatever is true now is said instead, by the same
	// id if it is the same message.
	l.drop(d)
	l.replan(now)
	if first := l.entries[d.Members[0].Workload]; first != nil {
		if b := l.batches[first.batch]; b != nil && !b.due().After(now) {
			return l.build(b, now, d)
		}
	}
	l.parked[d.Members[0].Workload] = struct{}{}
	return nil
}

// holds reports whether d, which was perhaps heard, is still true of one of its
// workloads, and so worth repeating.
func (l *Lane) holds(d *Delivery, now time.Time) bool {
	return slices.ContainsFunc(d.Members, func(m Member) bool {
		e := l.entries[m.Workload]
		switch {
		case d.Kind == events.KindResolved:
			// Also when something else would be said by now: the end may come up
			// again in other company, and that would be another message.
			return e.ended(m.Incident)
		case d.Kind != events.KindReminder && m.Open:
			return e.rec.Incident == m.Incident
		}
		return Plan(e.rec, e.row, e.policy, now).same(m.action(d.Kind))
	})
}

// ended reports whether an incident that the receiver knows as open is over.
func (e *entry) ended(incident string) bool {
	return e.policy.SendResolved && e.rec.Incident != incident && e.row.Told.Open && e.row.Told.Incident == incident
}

// assume gives up on a message that was perhaps heard and is not true any more.
// A receiver that wants to know of ends is taken to have heard of the opening,
// so that nothing it may have opened stays open.
func (l *Lane) assume(d *Delivery, now time.Time) {
	l.drop(d)
	l.parked[d.Members[0].Workload] = struct{}{}
	if d.Kind == events.KindReminder {
		return
	}
	for _, m := range d.Members {
		if e := l.entries[m.Workload]; m.Open && e.policy.SendResolved {
			l.tell(e, m, d, now)
			l.parked[m.Workload] = struct{}{}
		}
	}
}

func (l *Lane) tell(e *entry, m Member, d *Delivery, now time.Time) {
	l.untie(e)
	e.row = e.row.told(m, d, now)
	if e.row.Told.Open {
		l.threads[e.row.Told.Thread]++
	}
	if e.row.Owed == nil {
		delete(l.unsaved, m.Workload)
	}
}

// untie takes a workload out of the conversation that holds it open.
func (l *Lane) untie(e *entry) {
	if !e.row.Told.Open {
		return
	}
	t := e.row.Told.Thread
	if l.threads[t]--; l.threads[t] <= 0 {
		delete(l.threads, t)
	}
	if b := l.batches[events.KindResolved+"/"+t]; b != nil {
		l.alarms.set(b.due(), b.key) // it may be complete now
	}
}
