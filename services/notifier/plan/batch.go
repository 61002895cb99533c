package plan

import (
	"container/heap"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

// maxMembers is how many workloads one message may name: as many as its row has
// room for in the bucket, however long their names are.
const maxMembers = 1000

// patience is how many group waits a group may grow before it is sent.
const patience = 5

// batch is a message in the making: what is due, or will be, and belongs
// together.
type batch struct {
	key     string
	queue   *Queue
	members map[string]action
}

// batchKey names the message that an action belongs to. A name with a slash is
// of no workload and is sent alone.
func batchKey(workload string, a action, e *entry) string {
	switch {
	case a.Kind == events.KindOpened && e.policy.Group != "":
		return "opened/" + e.policy.Group
	case a.Kind == events.KindResolved, a.Kind == events.KindReminder:
		return a.Kind + "/" + e.row.Delivered.Thread
	case a.Kind == events.KindDigest && !a.Open && !strings.Contains(workload, "/"):
		return "digest"
	}
	return a.Kind + "//" + workload
}

// sendAt is when the batch is sent.
func (b *batch) sendAt() time.Time {
	var first, last time.Time
	n := 0
	for _, a := range b.members {
		if n++; n == 1 || a.At.Before(first) {
			first = a.At
		}
	}
	for _, a := range b.members {
		if !a.Early.After(first) {
			last = later(last, a.At)
		}
	}
	switch {
	case strings.HasPrefix(b.key, "opened/"):
		return earlier(last, first.Add((patience-1)*b.wait()))
	case strings.HasPrefix(b.key, events.KindResolved):
		return b.resolved(first, last)
	}
	return first
}

func (b *batch) wait() time.Duration {
	var w time.Duration
	for name := range b.members {
		w = max(w, b.queue.entries[name].policy.Wait)
	}
	return w
}

// resolved is when the end of a conversation is sent: when it is over for all
// of its workloads, or after the gathering time; at once where the next
// incident of one has to be sent.
func (b *batch) resolved(first, last time.Time) time.Time {
	var thread string
	var gather time.Duration
	for name := range b.members {
		e := b.queue.entries[name]
		if e.rec.Incident != "" {
			return first
		}
		thread, gather = e.row.Delivered.Thread, max(gather, e.policy.Gather)
	}
	end := first.Add(gather)
	if b.queue.threads[thread] <= len(b.members) {
		return earlier(last, end)
	}
	return end
}

// replan puts every dirty workload into the message that it belongs to.
func (q *Queue) replan(now time.Time) {
	if len(q.dirty) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(q.dirty))
	clear(q.dirty)
	for _, name := range names {
		e := q.entries[name]
		e.row = e.row.clamp(now)
		q.leave(name, e)
		if e.delivery != nil {
			continue
		}
		a := plan(e.rec, e.row, e.policy, now)
		if a.Kind == settled {
			q.settle(name, e)
			a = plan(e.rec, e.row, e.policy, now)
		}
		if a.Kind != "" && a.Kind != settled {
			q.join(name, e, a, now)
		} else if e.row.Empty() && e.rec.Incident == "" {
			delete(q.entries, name)
		}
	}
}

// settle drops what is not worth a message: the incident is over and the
// receiver does not want its end, or must not get it.
func (q *Queue) settle(name string, e *entry) {
	if e.row.Delivered.Open {
		q.unthread(e)
		if e.row.Delivered.Open = false; e.row.Due == nil {
			delete(q.unsaved, name)
		}
		return
	}
	e.row.Due = nil
	delete(q.unsaved, name)
}

func (q *Queue) join(name string, e *entry, a action, now time.Time) {
	key := batchKey(name, a, e)
	b := q.batches[key]
	if b == nil {
		b = &batch{key: key, queue: q, members: map[string]action{}}
		q.batches[key] = b
	}
	b.members[name] = a
	e.batch = key
	if _, unsaved := q.unsaved[name]; unsaved && a.At.Sub(now) > parkAfter {
		q.parked[name] = struct{}{}
	}
	heap.Push(&q.alarms, alarm{b.sendAt(), key})
}

func (q *Queue) leave(name string, e *entry) {
	b := q.batches[e.batch]
	e.batch = ""
	if b == nil {
		return
	}
	if delete(b.members, name); len(b.members) == 0 {
		delete(q.batches, b.key)
		return
	}
	heap.Push(&q.alarms, alarm{b.sendAt(), b.key})
}

// build makes the delivery of a batch that is due. A delivery that was attempted
// before and says the same goes on.
func (q *Queue) build(b *batch, now time.Time, before ...*Delivery) *Delivery {
	names := b.ready(now)
	if len(names) == 0 {
		return nil
	}
	first := q.entries[names[0]]
	a := b.members[names[0]]
	d := &Delivery{Kind: a.Kind, Created: now, Thread: first.row.Delivered.Thread, Ref: first.row.Delivered.Ref}
	incidents := make([]string, 0, len(names))
	for _, name := range names {
		e, a := q.entries[name], b.members[name]
		d.Members = append(d.Members, Member{
			Workload: name, Incident: a.Incident, Incidents: e.ordinal(a.Incident), Ordinal: a.Ordinal, Open: a.Open,
		})
		incidents = append(incidents, a.Incident)
	}
	d.ID = identity(q.receiver, d.Kind, a.Ordinal, incidents...)
	if d.Kind == events.KindOpened || !a.Open && d.Kind == events.KindDigest {
		d.Thread, d.Ref = d.ID, ""
	}
	if d.Kind == events.KindResolved {
		d.Left = q.threads[d.Thread] - len(names)
	}
	for _, old := range before {
		if old.ID == d.ID {
			d = old
		} else if old.Members[0].Workload != d.Members[0].Workload {
			q.parked[old.Members[0].Workload] = struct{}{}
		}
	}
	for _, name := range names {
		e := q.entries[name]
		q.leave(name, e)
		e.delivery = d
	}
	return d
}

// ready are the members that may go now, in order, as many as fit.
func (b *batch) ready(now time.Time) []string {
	var names []string
	for name, a := range b.members {
		if !a.Early.After(now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxMembers)]
}

// ordinal is the number of that incident among the workload's.
func (e *entry) ordinal(incident string) int64 {
	switch {
	case incident == e.rec.Incident:
		return e.rec.Incidents
	case e.row.Due != nil && incident == e.row.Due.Incident:
		return e.row.Due.Incidents
	case incident == e.row.Delivered.Incident:
		return e.row.Delivered.Incidents
	}
	return 0
}
