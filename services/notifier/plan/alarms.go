package plan

import (
	"container/heap"
	"time"
)

// alarms is a heap of times at which something may be due. An entry whose key
// has changed its time since is stale, and skipped.
type alarms []alarm

type alarm struct {
	at  time.Time
	key string // of a batch or the id of a delivery
}

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) } //nolint:errcheck // heap hands back what it got
func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

func (a *alarms) set(at time.Time, key string) { heap.Push(a, alarm{at, key}) }

// live reports whether an alarm still means something.
func (q *Queue) live(a alarm) bool {
	if b := q.batches[a.key]; b != nil {
		return !b.sendAt().After(a.at)
	}
	d := q.retries[a.key]
	return d != nil && !d.Next().After(a.at)
}
