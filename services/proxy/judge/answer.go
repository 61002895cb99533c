package judge

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// Verdict is what an answer says about the credential that was attached.
type Verdict int

// The verdicts that a judge is told about; all other answers say nothing.
const (
	Accepted Verdict = iota
	Rejected
	Forbidden
)

// Answer is one answer of the upstream that says something.
type Answer struct {
	Generation uint64    // of the credential that was attached
	Sent       time.Time // when the request went out
	At         time.Time // when the answer's headers came
	Verdict    Verdict
	Class      Class
	MCPName    string // the tool, prompt or resource
	Response   events.Response
	Scopes     []string // asked for (Forbidden)
	// TraceParent of the request.
	TraceParent string
}

// Answer takes in one answer. It returns true when the source is to be read
// again before a rejection is believed: [Judge.Confirm] or [Judge.Load] follows.
func (j *Judge) Answer(a Answer) (reread bool) {
	if !j.loaded || !j.cred.Usable || a.Generation != j.cred.Generation {
		return false
	}
	switch a.Verdict {
	case Rejected:
		reread = j.reject(a)
	case Accepted:
		j.accept(a)
	case Forbidden:
		j.forbid(a)
	}
	j.Tick(a.At)
	return reread
}

// Confirm tells that the source was read again and still holds the value of
// generation: what was suspected is believed.
func (j *Judge) Confirm(now time.Time, generation uint64) {
	if !j.loaded || !j.cred.Usable || generation != j.cred.Generation {
		return
	}
	for _, c := range j.classes {
		j.believe(c)
	}
	j.condemn()
	j.Tick(now)
}

func (j *Judge) reject(a Answer) (reread bool) {
	c := j.classes.get(a.Class)
	c.suspected++
	c.last, c.answer = a.At, a
	if c.first.IsZero() {
		c.first = a.At
	}
	j.run++
	j.lastAny = a.At
	if c.dead && a.At.Sub(j.asked) < rereadEvery {
		j.believe(c) // nothing new: only the count grows
		return false
	}
	j.asked = a.At
	return true
}

func (j *Judge) believe(c *class) {
	if c.suspected == 0 {
		return
	}
	c.rejections += c.suspected
	j.total += c.suspected
	c.suspected = 0
	if j.first.IsZero() || c.first.Before(j.first) {
		j.first = c.first
	}
	if c.last.After(j.lastBad.At) || j.lastBad.Generation != j.cred.Generation {
		j.lastBad = c.answer
	}
}

// condemn marks what was rejected often enough: in its own class, or without
// any acceptance in between.
func (j *Judge) condemn() {
	for _, c := range j.classes {
		if c.rejections > 0 && (c.rejections >= j.after || j.run >= j.after) {
			c.dead = true
			j.state = rejected
		}
	}
}

// accept heals the class of a's request, and those that died with it.
//
// An answer counts against a rejection only if its request was sent after that
// rejection came in: one that was under way at the time may have been let
// through before.
func (j *Judge) accept(a Answer) {
	j.goodAt = a.At
	if !a.Sent.Before(j.lastAny) {
		j.run = 0
	}
	j.classes.heal(a)
	j.forget(a.At)
	if j.state != rejected {
		j.total, j.first = j.classes.sum()
	}
	if j.state == unjudged || j.state == rejected && !j.classes.anyDead() {
		j.state, j.good = accepted, a
		j.total, j.first = 0, time.Time{}
	}
}

// forget drops the classes that nobody tries any more while others work.
func (j *Judge) forget(now time.Time) {
	for k, c := range j.classes {
		if j.goodAt.After(c.last) && now.Sub(c.last) >= forgetAfter {
			delete(j.classes, k)
		}
	}
}
