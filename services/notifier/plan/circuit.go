package plan

import (
	"container/heap"
	"time"
)

// How long a receiver that did not take a message is left alone.
const (
	backoffFirst = time.Second
	backoffLast  = time.Minute
	tripAfter    = 3                // failures in a row, beyond which the receiver is rested as a whole
	Probe        = 15 * time.Minute // between attempts at a receiver that refused for good
	AskedMost    = time.Hour        // the longest Retry-After that is honoured
)

// backoff is the wait after the n-th failure, between half of it and all of it.
func backoff(n int, jitter float64) time.Duration {
	d := backoffLast
	if n < 7 {
		d = min(backoffFirst<<max(n-1, 0), backoffLast)
	}
	return d/2 + time.Duration(jitter*float64(d/2))
}

// circuit says when a receiver may be asked at all.
type circuit struct {
	failures int       // in a row
	down     time.Time // of the first of them
	since    time.Time
	rest     time.Duration // from since
	refused  bool          // for good: the receiver as a whole
	off      bool          // until the configuration changes
}

// opens is when the receiver may be asked.
func (c *circuit) opens(now time.Time) time.Time {
	if c.off {
		return now.Add(Probe)
	}
	c.since = earlier(c.since, now)
	return c.since.Add(c.rest)
}

// trial reports whether only one message at a time may find out if the receiver
// is back.
func (c *circuit) trial() bool { return c.refused || c.failures >= tripAfter }

func (c *circuit) pause(now time.Time, d time.Duration) {
	if c.since.Add(c.rest).Before(now.Add(d)) {
		c.since, c.rest = now, d
	}
}

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
func (l *Lane) live(a alarm) bool {
	if b := l.batches[a.key]; b != nil {
		return !b.due().After(a.at)
	}
	d := l.retries[a.key]
	return d != nil && !d.Next().After(a.at)
}
