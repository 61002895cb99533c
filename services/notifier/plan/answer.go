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

// Answer is what came of one attempt.
type Answer struct {
	Outcome    Outcome
	Heard      bool          // not delivered, but perhaps heard: a timeout, a broken connection
	RetryAfter time.Duration // the receiver's wish; 0: none
	Status     int
	Ref        string // the receiver's name for the message
	Error      string // without secrets
}

// Write is a row to store. Rows of one call are independent, except that the
// last one is stored after the others.
type Write struct {
	Workload string
	Row      Row
}

// Intent prepares an attempt: the row to store before it, after those of
// [Lane.Parked]. After a crash the delivery is found there and attempted again,
// by the same id.
func (l *Lane) Intent(d *Delivery, now time.Time) Write {
	prior := *d
	d.prior, d.taken = &prior, true
	d.Attempts++
	d.At, d.Wait, d.Asked, d.Unsure = now, 0, false, true
	return l.write(d.Members[0].Workload)
}

// Return takes back a delivery that was not attempted after all.
func (l *Lane) Return(d *Delivery) {
	*d = *d.prior
	l.release(d)
}

// Done takes in the answer to an attempt, and returns the rows to store. The
// workloads wait until [Lane.Stored].
func (l *Lane) Done(d *Delivery, a Answer, now time.Time) []Write {
	d.Status, d.Error = a.Status, a.Error
	if a.Outcome == Delivered {
		return l.delivered(d, a, now)
	}
	d.At, d.Unsure = now, a.Heard || d.prior.Unsure
	d.Failed = d.Failed || a.Outcome >= Rejected
	if l.circuit.failures++; l.circuit.down.IsZero() {
		l.circuit.down = now
	}
	switch {
	case a.Outcome >= Rejected:
		d.Wait = Probe
		if a.Outcome >= Refused {
			l.circuit.refused = true
			l.circuit.off = a.Outcome == Gone
			l.circuit.pause(now, Probe)
		} else {
			l.circuit.failures, l.circuit.down = 0, time.Time{}
		}
	case a.RetryAfter > 0:
		d.Wait, d.Asked = min(a.RetryAfter, AskedMost), true
		l.circuit.pause(now, d.Wait)
	default:
		d.Failed = d.Failed || l.Away(now)
		d.Wait = backoff(d.Attempts, l.jitter())
		if l.circuit.failures >= tripAfter {
			l.circuit.pause(now, backoff(l.circuit.failures, l.jitter()))
		}
	}
	return []Write{l.write(d.Members[0].Workload)}
}

func (l *Lane) delivered(d *Delivery, a Answer, now time.Time) []Write {
	l.circuit = circuit{}
	d.heard = true
	if a.Ref != "" {
		d.Ref = a.Ref
	}
	var writes []Write
	for _, m := range slices.Backward(d.Members) { // the first one's row holds the delivery
		l.tell(l.entries[m.Workload], m, d, now)
		writes = append(writes, l.write(m.Workload))
	}
	return writes
}

// Stored says that the rows of [Lane.Done] are stored.
func (l *Lane) Stored(d *Delivery) { l.release(d) }

func (l *Lane) release(d *Delivery) {
	l.taken--
	d.taken = false
	if d.heard {
		l.drop(d)
		return
	}
	l.retries[d.ID] = d
	l.alarms.set(d.Next(), d.ID)
}

// write is the row of a workload as it is to be stored.
func (l *Lane) write(workload string) Write {
	e := l.entries[workload]
	delete(l.parked, workload)
	row := e.row
	row.Pending = nil
	if e.job != nil && !e.job.heard && e.job.Members[0].Workload == workload {
		d := *e.job
		row.Pending = &d
	}
	delete(l.unsaved, workload)
	return Write{workload, row}
}

// parkAfter is the wait beyond which what is owed is stored.
const parkAfter = 5 * time.Second

// park asks for everything that is owed to be stored, as it will wait for long.
func (l *Lane) park(now, until time.Time) {
	if until.Sub(now) < parkAfter {
		return
	}
	for name := range l.unsaved {
		l.parked[name] = struct{}{}
	}
}

// Parked are the rows to store although nothing is sent, at most as many; those
// that are left out are there at the next call.
func (l *Lane) Parked(most int) []Write {
	var writes []Write
	for name := range l.parked {
		if len(writes) == most {
			break
		}
		e := l.entries[name]
		if e != nil && e.job != nil && e.job.taken {
			continue // another write of the row is under way
		}
		if e == nil {
			delete(l.parked, name)
			writes = append(writes, Write{Workload: name})
			continue
		}
		writes = append(writes, l.write(name))
	}
	return writes
}

// Low is the sequence of the earliest record that the stored rows do not
// reflect yet, or none.
func (l *Lane) Low() (seq uint64, ok bool) {
	for _, at := range l.unsaved {
		if !ok || at < seq {
			seq, ok = at, true
		}
	}
	return seq, ok
}

// Records are what a delivery shows of its workloads: the newest record, or one
// of the incident that it is about where the newest is about another.
func (l *Lane) Records(d *Delivery) []events.Record {
	records := make([]events.Record, len(d.Members))
	for i, m := range d.Members {
		records[i] = l.entries[m.Workload].about(m)
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
	last := events.Incident{ID: m.Incident, Opened: e.row.Told.Opened, Closed: e.row.Told.Ended}
	if o := e.row.Owed; o != nil && o.Incident == m.Incident {
		last = events.Incident{ID: m.Incident, Opened: o.Opened, Closed: o.Closed, Reason: o.Reason}
	}
	rec.LastIncident, rec.Incident = &last, ""
	if rec.Status.Bad() {
		rec.Status, rec.Previous = rec.Previous, events.StatusUnknown
		rec.Since, rec.Reason, rec.Message, rec.Evidence, rec.Cause = last.Closed, "", "", nil, nil
	}
	return rec
}
