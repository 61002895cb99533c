package tracker

import (
	"time"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Confirm tells that the source, read again since started, still holds the value
// of generation: what was decided before that is believed.
func (t *Tracker) Confirm(now, started time.Time, generation uint64) {
	if !t.current(generation) {
		return
	}
	for _, c := range t.classes {
		if !c.decided.IsZero() && !c.decided.After(started) {
			t.believe(c)
		}
	}
	t.condemn()
	t.Tick(now)
}

func (t *Tracker) reject(a Answer) (reread bool) {
	c := t.class(a.Class)
	why := t.suspect(c, a)
	c.suspected++
	c.last, c.answer = a.At, a
	if c.first.IsZero() {
		c.first = a.At
	}
	if a.FromBody {
		c.hits++
	}
	t.run++
	t.lastAny = a.At
	t.quiet.end()
	switch why {
	case refused:
	case certain:
		if !c.dead {
			c.elsewhere = nil
		}
	default:
		t.doubt(c, a, why)
		return false
	}
	if c.dead && a.At.Sub(t.asked) < rereadEvery {
		t.believe(c) // nothing new: only the count grows
		return false
	}
	t.asked = a.At
	c.doubt, c.decided = certain, a.At
	return true
}

func (t *Tracker) believe(c *class) {
	if c.suspected == 0 {
		return
	}
	c.rejections += c.suspected
	t.total += c.suspected
	if t.first.IsZero() || c.first.Before(t.first) {
		t.first = c.first
	}
	if c.last.After(t.lastBad.At) || t.lastBad.Generation != t.cred.Generation || c.said != nil {
		t.lastBad, t.behind = c.answer, c.answer
		if c.said != nil && c.said.Strong && !c.answer.Strong {
			t.lastBad = *c.said // it says more
		}
	}
	c.resolve()
}

// condemn marks what was rejected often enough: in its own class, or without
// any acceptance in between.
func (t *Tracker) condemn() {
	var elsewhere *Answer
	plain, was := false, t.Rejected()
	for _, c := range t.classes {
		if c.dead || c.rejections == 0 || c.rejections < t.after && t.run < t.after {
			continue
		}
		c.dead = true
		t.verdict = verdict.Rejected
		if c.elsewhere == nil {
			plain = true // what was accepted before may be dead too by now
		} else {
			elsewhere = c.elsewhere
		}
	}
	switch {
	case plain:
		t.elsewhere = nil
	case elsewhere != nil:
		t.elsewhere = elsewhere
	}
	if t.Rejected() && !was && t.elsewhere == nil {
		if a := t.lately.of(t.classes, t.first); a != nil && !a.Sent.Before(t.first) {
			t.elsewhere = a
		}
	}
}
