package tracker

import (
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// acceptedBefore is how long before a rejection an acceptance is told with it.
const acceptedBefore = time.Minute

// limiter spaces the facts of one kind.
type limiter struct{ next time.Time }

func (l *limiter) ready(now time.Time) bool { return !now.Before(l.next) }
func (l *limiter) used(now time.Time)       { l.next = now.Add(edgeEvery) }

// Tick does what is due. The state that was reached last is always told, later
// if another was told a moment ago.
func (t *Tracker) Tick(now time.Time) {
	if !t.loaded {
		return
	}
	t.forgetDue(now)
	if t.newLoad && t.loads.ready(now) {
		t.tellLoad(now)
	}
	if (t.edge() || t.turned()) && t.limiter().ready(now) {
		t.tellLoad(now) // about a credential that was never mentioned nobody can be told
		t.tellVerdict(now)
	}
	if !t.reassert.IsZero() && !now.Before(t.reassert) && t.verdict == t.told {
		switch {
		case t.verdict == verdict.Rejected:
			t.tellVerdict(now)
		case !t.cred.Usable:
			t.newLoad = true
			t.tellLoad(now)
			t.facts[len(t.facts)-1].Again = true
		}
	}
	if len(t.forbidden.pending) > 0 && t.forbids.ready(now) {
		t.tellForbidden(now)
	}
}

// edge reports whether the verdict on the credential is another than was told.
func (t *Tracker) edge() bool {
	return t.verdict != t.told && (t.verdict == verdict.Accepted || t.verdict == verdict.Rejected)
}

// turned reports whether it is news of a told rejection that the credential is
// accepted elsewhere, or is not any more.
func (t *Tracker) turned() bool {
	return t.verdict == verdict.Rejected && t.told == verdict.Rejected && (t.elsewhere != nil) != t.toldThere
}

// limiter: the first verdict on a credential must not make its death wait.
func (t *Tracker) limiter() *limiter {
	if t.told == verdict.Nothing {
		return &t.firsts
	}
	return &t.changes
}

// Next returns when Tick has something to do, zero if nothing is in sight.
func (t *Tracker) Next() time.Time {
	var next time.Time
	at := func(due time.Time) {
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if t.newLoad {
		at(t.loads.next)
	}
	if t.edge() || t.turned() {
		at(t.limiter().next)
	}
	at(t.questionDue())
	if len(t.forbidden.pending) > 0 {
		at(t.forbids.next)
	}
	if t.verdict == t.told {
		at(t.reassert)
	}
	for _, c := range t.classes {
		if t.goodAt.After(c.last) {
			at(c.last.Add(forgetAfter))
		}
	}
	return next
}

// forgetDue is forget between answers.
func (t *Tracker) forgetDue(now time.Time) {
	t.forget(now)
	if t.verdict == verdict.Rejected && !t.classes.anyDead() {
		t.revive(now, Answer{})
	}
}

func (t *Tracker) tellLoad(now time.Time) {
	if !t.newLoad {
		return
	}
	t.newLoad = false
	t.loads.used(now)
	t.reassert = time.Time{}
	if t.cred.Usable {
		t.add(Fact{Type: events.TypeLoaded, At: now, Observation: events.Observation{Credential: t.credential()}})
		return
	}
	o := events.Observation{Problem: t.cred.Problem, Detail: t.cred.Detail}
	if t.cred.Info.Source != "" {
		o.Credential = t.credential()
	}
	t.add(Fact{Type: events.TypeMissing, At: now, Observation: o})
	t.reassert = now.Add(reassertEvery)
}

func (t *Tracker) tellVerdict(now time.Time) {
	edge, turned := t.edge(), t.turned()
	if edge || turned {
		t.limiter().used(now)
	}
	t.told = t.verdict
	t.reassert = time.Time{}
	if t.verdict == verdict.Accepted {
		o := events.Observation{Credential: t.credential()}
		if !t.good.At.IsZero() {
			o.Request, o.Response = t.good.Request(), response(t.good)
		}
		t.add(Fact{Type: events.TypeAuthorized, At: now, Observation: o, Behind: t.good})
		return
	}
	t.toldThere = t.elsewhere != nil
	f := Fact{Type: events.TypeUnauthorized, At: now, Again: !edge && !turned, Observation: t.rejection()}
	switch {
	case edge:
		f.Behind = t.behind
	case turned && t.elsewhere != nil:
		f.Behind = *t.elsewhere
	case turned:
		f.Behind = t.behind
	}
	t.add(f)
	t.reassert = now.Add(reassertEvery)
}

// rejection is the observation that the credential is rejected. That another
// class was accepted shortly before is worth knowing too.
func (t *Tracker) rejection() events.Observation {
	first := t.first
	elsewhere := t.elsewhere
	if elsewhere == nil {
		if a := t.lately.of(t.classes, first.Add(-acceptedBefore)); a != nil && a.Sent.Before(first) {
			elsewhere = a
		}
	}
	o := events.Observation{
		Credential: t.credential(),
		Request:    t.lastBad.Request(),
		Response:   response(t.lastBad),
		Rejections: t.total,
		FirstSeen:  &first,
	}
	if at := t.goodAt; !at.IsZero() {
		o.AcceptedAt = &at
	}
	if elsewhere != nil {
		o.AcceptedElsewhere = accepted(*elsewhere)
	}
	return o
}

// accepted says when the request was sent, so that it can be compared with when
// a rejection was seen.
func accepted(a Answer) *events.Acceptance {
	return &events.Acceptance{Request: a.Request(), At: a.Sent}
}

func response(a Answer) *events.Response {
	r := a.Response
	return &r
}

// forbidden keeps what was told about missing scopes of this credential.
type forbidden struct {
	told    map[string]time.Time // by class and scopes
	pending []Answer
}

// forbid: the same lack of scope is told once in a while, not at each answer.
func (t *Tracker) forbid(a Answer) {
	f := &t.forbidden
	scopes := slices.Sorted(slices.Values(a.Scopes))
	key := strings.Join(append([]string{a.Class.Method, a.Class.Path, a.Class.MCPMethod}, scopes...), " ")
	if at, ok := f.told[key]; ok && a.At.Sub(at) < forgetAfter {
		return
	}
	if f.told == nil || len(f.told) >= maxClasses {
		f.told = map[string]time.Time{}
	}
	f.told[key] = a.At
	if len(f.pending) >= maxClasses {
		f.pending = f.pending[1:]
	}
	f.pending = append(f.pending, a)
}

func (t *Tracker) tellForbidden(now time.Time) {
	a := t.forbidden.pending[0]
	t.forbidden.pending = t.forbidden.pending[1:]
	t.forbids.used(now)
	t.tellLoad(now)
	t.add(Fact{Type: events.TypeForbidden, At: now, Behind: a, Observation: events.Observation{
		Credential: t.credential(), Request: a.Request(), Response: response(a), Scopes: a.Scopes,
	}})
}
