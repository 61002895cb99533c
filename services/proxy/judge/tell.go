package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
)

// limiter spaces the facts of one kind.
type limiter struct{ next time.Time }

func (l *limiter) ready(now time.Time) bool { return !now.Before(l.next) }
func (l *limiter) used(now time.Time)       { l.next = now.Add(edgeEvery) }

// Tick does what is due. The state that was reached last is always told, later
// if another was told a moment ago.
func (j *Judge) Tick(now time.Time) {
	if !j.loaded {
		return
	}
	j.forgetDue(now)
	if j.newLoad && j.loads.ready(now) {
		j.tellLoad(now)
	}
	if j.edge() && j.limiter().ready(now) {
		j.tellLoad(now) // about a credential that was never mentioned nobody can be told
		j.tellVerdict(now)
	}
	if !j.reassert.IsZero() && !now.Before(j.reassert) && j.state == j.told {
		switch j.state {
		case rejected:
			j.tellVerdict(now)
		case missing:
			j.newLoad = true
			j.tellLoad(now)
			j.facts[len(j.facts)-1].Again = true
		}
	}
	if len(j.forbidden.pending) > 0 && j.forbids.ready(now) {
		j.tellForbidden(now)
	}
}

// edge reports whether the verdict on the credential is another than was told.
func (j *Judge) edge() bool {
	return j.state != j.told && (j.state == accepted || j.state == rejected)
}

// limiter: the first verdict on a credential must not make its death wait.
func (j *Judge) limiter() *limiter {
	if j.told == unjudged {
		return &j.firsts
	}
	return &j.changes
}

// Next returns when Tick has something to do, zero if nothing is in sight.
func (j *Judge) Next() time.Time {
	var next time.Time
	at := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if j.newLoad {
		at(j.loads.next)
	}
	if j.edge() {
		at(j.limiter().next)
	}
	if len(j.forbidden.pending) > 0 {
		at(j.forbids.next)
	}
	if j.state == j.told {
		at(j.reassert)
	}
	for _, c := range j.classes {
		if j.goodAt.After(c.last) {
			at(c.last.Add(forgetAfter))
		}
	}
	return next
}

// forgetDue is forget between answers.
func (j *Judge) forgetDue(now time.Time) {
	j.forget(now)
	if j.state == rejected && !j.classes.anyDead() {
		j.state, j.good = accepted, Answer{}
		j.total, j.first = 0, time.Time{}
	}
}

func (j *Judge) tellLoad(now time.Time) {
	if !j.newLoad {
		return
	}
	j.newLoad = false
	j.loads.used(now)
	j.reassert = time.Time{}
	if j.cred.Usable {
		j.add(Fact{Type: events.TypeLoaded, At: now, Observation: events.Observation{Credential: j.credential()}})
		return
	}
	o := events.Observation{Problem: j.cred.Problem, Detail: j.cred.Detail}
	if j.cred.Info.Source != "" {
		o.Credential = j.credential()
	}
	j.add(Fact{Type: events.TypeMissing, At: now, Observation: o})
	j.told = missing
	j.reassert = now.Add(reassertEvery)
}

func (j *Judge) tellVerdict(now time.Time) {
	edge := j.edge()
	if edge {
		j.limiter().used(now)
	}
	j.told = j.state
	j.reassert = time.Time{}
	if j.state == accepted {
		o := events.Observation{Credential: j.credential()}
		if !j.good.At.IsZero() {
			o.Request, o.Response = request(j.good), response(j.good)
		}
		j.add(Fact{Type: events.TypeAuthorized, At: now, Observation: o, Behind: j.good})
		return
	}
	first := j.first
	f := Fact{Type: events.TypeUnauthorized, At: now, Again: !edge, Observation: events.Observation{
		Credential: j.credential(),
		Request:    request(j.lastBad),
		Response:   response(j.lastBad),
		Rejections: j.total,
		FirstSeen:  &first,
	}}
	if edge {
		f.Behind = j.lastBad
	}
	j.add(f)
	j.reassert = now.Add(reassertEvery)
}

func request(a Answer) *events.Request {
	return &events.Request{Method: a.Class.Method, Path: a.Class.Path, MCPMethod: a.Class.MCPMethod, MCPName: a.MCPName}
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
func (j *Judge) forbid(a Answer) {
	f := &j.forbidden
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

func (j *Judge) tellForbidden(now time.Time) {
	a := j.forbidden.pending[0]
	j.forbidden.pending = j.forbidden.pending[1:]
	j.forbids.used(now)
	j.tellLoad(now)
	j.add(Fact{Type: events.TypeForbidden, At: now, Behind: a, Observation: events.Observation{
		Credential: j.credential(), Request: request(a), Response: response(a), Scopes: a.Scopes,
	}})
}
