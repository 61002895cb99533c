package plan

import (
	"time"
)

// How long a receiver that did not take a message is left alone.
const (
	backoffFirst   = time.Second
	backoffLast    = time.Minute
	tripAfter      = 3                // failures in a row, beyond which the receiver is rested as a whole
	Probe          = 15 * time.Minute // between attempts at a receiver that refused for good
	RetryAfterMost = time.Hour        // the longest Retry-After that is honoured
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

// giveUp is how long a receiver may be out of reach before another
// one gets its messages.
const giveUp = 15 * time.Minute

// Health is a receiver's condition.
type Health string

const (
	Up      Health = "up"
	Down    Health = "down"    // rested, and asked again now and then
	Refuses Health = "refuses" // for good; asked again every [Probe]
	Off     Health = "off"     // it said that it is gone
)

// Health is the receiver's condition.
func (q *Queue) Health() Health {
	switch c := q.circuit; {
	case c.off:
		return Off
	case c.refused:
		return Refuses
	case c.failures >= tripAfter || c.rest > 0:
		return Down
	}
	return Up
}

// Restore takes up the condition of a receiver that refused before a restart.
func (q *Queue) Restore(h Health, at time.Time) {
	switch h {
	case Off:
		q.circuit.refused, q.circuit.off = true, true
	case Refuses:
		q.circuit.refused = true
		q.circuit.pause(at, Probe)
	case Down:
		q.circuit.down = at.Add(-giveUp)
	}
}

// Ready reports whether a delivery that was handed out may be attempted now:
// what came before it may have shown that the receiver needs rest.
func (q *Queue) Ready(now time.Time) bool {
	return !q.circuit.opens(now).After(now) && (q.taken <= 1 || !q.circuit.trial())
}

// Away reports whether the receiver as a whole does not accept messages, so that its
// fallback has to be.
func (q *Queue) Away(now time.Time) bool {
	c := q.circuit
	return c.refused || !c.down.IsZero() && now.Sub(c.down) >= giveUp
}

// Lost reports whether another receiver has to get the messages of a workload.
func (q *Queue) Lost(workload string, now time.Time) bool {
	if q.Away(now) {
		return true
	}
	e := q.entries[workload]
	return e != nil && e.delivery != nil && e.delivery.Failed
}
