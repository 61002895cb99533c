package plan

import (
	"slices"
	"time"

	"github.com/authwatch/authwatch/events"
)

// Outcome is what an answer means for the message and the receiver.
type Outcome int

const (
	Delivered Outcome = iota
	Retry             // not now
	Rejected          // this message, for good
	Refused           // any message, for good
	Gone              // any message, until the configuration changes
)

// Result is what came of one attempt.
type Result struct {
	Outcome    Outcome
	Uncertain  bool          // not delivered for certain, but perhaps received: a timeout, a broken connection
	RetryAfter time.Duration // the receiver's wish; 0: none
	Status     int
	Ref        string // the receiver's name for the message
	Error      string // without secrets
	Output     string // of a command
}

// Write is a row to store. Rows of one call are independent, except that the
// last one is stored after the others.
type Write struct {
	Workload string
	Row      Row
}

// Intent prepares an attempt: the row to store before it, after those of
// [Queue.Parked]. After a crash the delivery is found there and attempted again,
// by the same id.
func (q *Queue) Intent(d *Delivery, now time.Time) Write {
	prior := *d
	d.prior, d.taken = &prior, true
	d.Attempts++
	d.At, d.Wait, d.Requested, d.Uncertain = now, 0, false, true
	return q.write(d.Members[0].Workload)
}

// Return takes back a delivery that was not attempted after all.
func (q *Queue) Return(d *Delivery) {
	*d = *d.prior
	q.release(d)
}

// Done takes in the answer to an attempt, and returns the rows to store. The
// workloads wait until [Queue.Stored].
func (q *Queue) Done(d *Delivery, a Result, now time.Time) []Write {
	d.Status, d.Error = a.Status, a.Error
	if a.Outcome == Delivered {
		return q.delivered(d, a, now)
	}
	d.At, d.Uncertain = now, a.Uncertain || d.prior.Uncertain
	d.Failed = d.Failed || a.Outcome >= Rejected
	if q.circuit.failures++; q.circuit.down.IsZero() {
		q.circuit.down = now
	}
	switch {
	case a.Outcome >= Rejected:
		d.Wait = Probe
		if a.Outcome >= Refused {
			q.circuit.refused = true
			q.circuit.off = a.Outcome == Gone
			q.circuit.pause(now, Probe)
		} else {
			q.circuit.failures, q.circuit.down = 0, time.Time{}
		}
	case a.RetryAfter > 0:
		d.Wait, d.Requested = min(a.RetryAfter, RetryAfterMost), true
		q.circuit.pause(now, d.Wait)
	default:
		d.Failed = d.Failed || q.Away(now)
		d.Wait = backoff(d.Attempts, q.jitter())
		if q.circuit.failures >= tripAfter {
			q.circuit.pause(now, backoff(q.circuit.failures, q.jitter()))
		}
	}
	return []Write{q.write(d.Members[0].Workload)}
}

// Tested takes in the answer to a message that is none of the queue's. A time that
// the receiver asked to wait holds for the others too.
func (q *Queue) Tested(a Result, now time.Time) {
	if a.Outcome == Retry && a.RetryAfter > 0 {
		q.circuit.pause(now, min(a.RetryAfter, RetryAfterMost))
	}
}

func (q *Queue) delivered(d *Delivery, a Result, now time.Time) []Write {
	q.circuit = circuit{}
	d.accepted = true
	if a.Ref != "" {
		d.Ref = a.Ref
	}
	var writes []Write
	for _, m := range slices.Backward(d.Members) { // the first one's row holds the delivery
		q.record(q.entries[m.Workload], m, d, now)
		writes = append(writes, q.write(m.Workload))
	}
	return writes
}

// Stored says that the rows of [Queue.Done] are stored.
func (q *Queue) Stored(d *Delivery) { q.release(d) }

func (q *Queue) release(d *Delivery) {
	q.taken--
	d.taken = false
	if d.accepted {
		q.drop(d)
		return
	}
	q.retries[d.ID] = d
	q.alarms.set(d.Next(), d.ID)
}

// write is the row of a workload as it is to be stored.
func (q *Queue) write(workload string) Write {
	e := q.entries[workload]
	delete(q.parked, workload)
	row := e.row
	row.Pending = nil
	if e.delivery != nil && !e.delivery.accepted && e.delivery.Members[0].Workload == workload {
		d := *e.delivery
		row.Pending = &d
	}
	delete(q.unsaved, workload)
	return Write{workload, row}
}

// parkAfter is the wait beyond which what is due is stored.
const parkAfter = 5 * time.Second

// park asks for everything that is due to be stored, as it will wait for long.
func (q *Queue) park(now, until time.Time) {
	if until.Sub(now) < parkAfter {
		return
	}
	for name := range q.unsaved {
		q.parked[name] = struct{}{}
	}
}

// Parked are the rows to store although nothing is sent, at most as many; those
// that are left out are there at the next call.
func (q *Queue) Parked(most int) []Write {
	var writes []Write
	for name := range q.parked {
		if len(writes) == most {
			break
		}
		e := q.entries[name]
		if e != nil && e.delivery != nil && e.delivery.taken {
			continue // another write of the row is under way
		}
		if e == nil {
			delete(q.parked, name)
			writes = append(writes, Write{Workload: name})
			continue
		}
		writes = append(writes, q.write(name))
	}
	return writes
}

// Low is the sequence of the earliest record that the stored rows do not
// reflect yet, or none.
func (q *Queue) Low() (seq uint64, ok bool) {
	for _, at := range q.unsaved {
		if !ok || at < seq {
			seq, ok = at, true
		}
	}
	return seq, ok
}

// Records are what a delivery shows of its workloads: the newest record, or one
// of the incident that it is about where the newest is about another.
func (q *Queue) Records(d *Delivery) []events.Record {
	records := make([]events.Record, len(d.Members))
	for i, m := range d.Members {
		e := q.entries[m.Workload]
		records[i] = e.about(m)
		if q.labelled {
			records[i].Labels = q.labels(e, m, d)
			if d.labels == nil {
				d.labels = map[string]map[string]string{}
			}
			d.labels[m.Workload] = records[i].Labels
		}
	}
	return records
}

// labels are those by which the receiver knows a workload, or is to know it.
func (q *Queue) labels(e *entry, m Member, d *Delivery) map[string]string {
	told, ok := d.labels[m.Workload]
	switch {
	case !q.labelled:
		return nil
	case ok:
		return told
	case e.row.Delivered.Open && e.row.Delivered.Incident == m.Incident:
		return e.row.Delivered.Labels
	}
	return e.rec.Labels
}

// Open are the records of the workloads that the receiver knows as bad and that
// are, as it knows them.
func (q *Queue) Open() []events.Record {
	var records []events.Record
	for _, name := range q.Workloads() {
		e := q.entries[name]
		if last := e.row.Delivered; last.Open && last.Incident == e.rec.Incident {
			rec := e.rec
			if q.labelled {
				rec.Labels = last.Labels
			}
			records = append(records, rec)
		}
	}
	return records
}

func (e *entry) about(m Member) events.Record {
	rec := e.rec
	if m.Open {
		if rec.Incident != m.Incident && e.opening.Incident == m.Incident {
			rec = e.opening
		}
		rec.Incident = m.Incident
		return rec
	}
	if rec.Incident == "" && rec.LastIncident != nil && rec.LastIncident.ID == m.Incident {
		return rec
	}
	last := events.Incident{ID: m.Incident, Opened: e.row.Delivered.Opened, Closed: e.row.Delivered.Ended}
	if o := e.row.Due; o != nil && o.Incident == m.Incident {
		last = events.Incident{ID: m.Incident, Opened: o.Opened, Closed: o.Closed, Reason: o.Reason}
	}
	last.Retired = slices.Contains(e.row.Retired, m.Incident)
	rec.LastIncident, rec.Incident = &last, ""
	if rec.Status.Bad() {
		rec.Status, rec.Previous = rec.Previous, events.StatusUnknown
		rec.Since, rec.Reason, rec.Message, rec.Evidence, rec.Cause = last.Closed, "", "", nil, nil
	}
	return rec
}
