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
	Session    Session
	Response   events.Response
	Scopes     []string // asked for (Forbidden)
	// TraceParent of the request.
	TraceParent string

	// How good the evidence of a rejection is. Strong is one that names the
	// token; Later one that says when to come again; FromBody one that a rule
	// found in the body.
	Strong, Later, FromBody bool
}

// Request is the answered request as events carry it.
func (a Answer) Request() *events.Request {
	return &events.Request{Method: a.Class.Method, Path: a.Class.Path, MCPMethod: a.Class.MCPMethod, MCPName: a.MCPName}
}

// Observe takes in one answer. It returns true when the source is to be read
// again before a rejection is believed: [Tracker.Confirm] or [Tracker.Load] follows.
func (t *Tracker) Observe(a Answer) (reread bool) {
	if !t.current(a.Generation) {
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

// Ruling is what is known of a rejection.
type Ruling int

// The rulings on a rejection.
const (
	Pending     Ruling = iota // the question is not answered yet
	Settling                  // the value is new; the question comes later
	Dead                      // the credential is rejected
	Refused                   // this class is refused, the credential is accepted elsewhere
	SessionLost               // it was about the session
	Alive                     // the credential is accepted otherwise
	Unclear                   // the question got no usable answer
	Replaced                  // there is another credential by now
)

// Rule says what is known by now of a rejection that was observed.
func (t *Tracker) Rule(a Answer) Ruling {
	if !t.current(a.Generation) {
		return Replaced
	}
	c := t.classes[t.key(a.Class)]
	switch {
	case c == nil:
		return Alive
	case c.dead && t.elsewhere != nil, c.sure() && c.elsewhere != nil:
		return Refused
	case c.dead, c.sure():
		return Dead
	case a.Session.ID != 0 && !c.lost.Before(a.At):
		return SessionLost
	case c.doubt == settling:
		return Settling
	case !c.decided.IsZero(), c.answered.Before(a.At), c.noes > 0:
		return Pending
	case c.unclear:
		return Unclear
	case c.elsewhere == nil:
		return Dead
	}
	return Alive
}

// Elsewhere returns what was accepted last while another class is refused.
func (t *Tracker) Elsewhere() *events.Acceptance {
	if t.elsewhere == nil {
		return nil
	}
	return accepted(*t.elsewhere)
}

// Accepted reports whether the value in use was ever accepted.
func (t *Tracker) Accepted() bool { return !t.goodAt.IsZero() }
