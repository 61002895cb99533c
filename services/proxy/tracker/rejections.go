package tracker

import (
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// Answer is one answer of the upstream that says something.
type Answer struct {
	Generation uint64    // of the credential that was attached
	Sent       time.Time // when the request went out
	At         time.Time // when the answer's headers came
	Verdict    verdict.Kind
	Class      Class
	MCPName    string // the tool, prompt or resource
	Response   events.Response
	Scopes     []string // asked for (Forbidden)
	// TraceParent of the request.
	TraceParent string
}

// Observe takes in one answer. It returns true when the source is to be read
// again before a rejection is believed: [Tracker.Confirm] or [Tracker.Load] follows.
func (t *Tracker) Observe(a Answer) (reread bool) {
	if !t.loaded || !t.cred.Usable || a.Generation != t.cred.Generation {
		return false
	}
	switch a.Verdict {
	case verdict.Rejected:
		reread = t.reject(a)
	case verdict.Accepted:
		t.accept(a)
	case verdict.Forbidden:
		t.forbid(a)
	}
	t.Tick(a.At)
	return reread
}

// Confirm tells that the source was read again and still holds the value of
// generation: what was suspected is believed.
func (t *Tracker) Confirm(now time.Time, generation uint64) {
	if !t.loaded || !t.cred.Usable || generation != t.cred.Generation {
		return
	}
	for _, c := range t.classes {
		t.believe(c)
	}
	t.condemn()
	t.Tick(now)
}

func (t *Tracker) reject(a Answer) (reread bool) {
	c := t.classes.get(a.Class)
	c.suspected++
	c.last, c.answer = a.At, a
	if c.first.IsZero() {
		c.first = a.At
	}
	t.run++
	t.lastAny = a.At
	if c.dead && a.At.Sub(t.asked) < rereadEvery {
		t.believe(c) // nothing new: only the count grows
		return false
	}
	t.asked = a.At
	return true
}

func (t *Tracker) believe(c *class) {
	if c.suspected == 0 {
		return
	}
	c.rejections += c.suspected
	t.total += c.suspected
	c.suspected = 0
	if t.first.IsZero() || c.first.Before(t.first) {
		t.first = c.first
	}
	if c.last.After(t.lastBad.At) || t.lastBad.Generation != t.cred.Generation {
		t.lastBad = c.answer
	}
}

// condemn marks what was rejected often enough: in its own class, or without
// any acceptance in between.
func (t *Tracker) condemn() {
	for _, c := range t.classes {
		if c.rejections > 0 && (c.rejections >= t.after || t.run >= t.after) {
			c.dead = true
			t.verdict = verdict.Rejected
		}
	}
}

// accept heals the class of a's request, and those that died with it.
//
// An answer counts against a rejection only if its request was sent after that
// rejection came in: one that was under way at the time may have been let
// through before.
func (t *Tracker) accept(a Answer) {
	t.goodAt = a.At
	if !a.Sent.Before(t.lastAny) {
		t.run = 0
	}
	t.classes.heal(a)
	t.forget(a.At)
	if t.verdict != verdict.Rejected {
		t.total, t.first = t.classes.sum()
	}
	if t.verdict == verdict.Nothing || t.verdict == verdict.Rejected && !t.classes.anyDead() {
		t.verdict, t.good = verdict.Accepted, a
		t.total, t.first = 0, time.Time{}
	}
}

// forget drops the classes that nobody tries any more while others work.
func (t *Tracker) forget(now time.Time) {
	for k, c := range t.classes {
		if t.goodAt.After(c.last) && now.Sub(c.last) >= forgetAfter {
			delete(t.classes, k)
		}
	}
}
