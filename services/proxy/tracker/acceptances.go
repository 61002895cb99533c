package tracker

import (
	"slices"
	"time"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// enough acceptances of others heal a class where paths have shapes.
const enough = 20

// quietFor is how long the others have to be accepted, without any rejection,
// until they heal a class: longer for one that was refused again after that.
var quietFor = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}

// quiet is the time since the latest rejection of any class.
type quiet struct {
	since    time.Time // the first acceptance in it; zero: none yet
	accepted int       // acceptances in it
	healed   map[Class]int
}

func (q *quiet) end() { q.since, q.accepted = time.Time{}, 0 }

// accept heals the class of a's request, and those that died with it.
//
// An answer counts against a rejection only if its request was sent after that
// rejection came in: one that was under way at the time may have been let
// through before.
func (t *Tracker) accept(a Answer) {
	k := t.key(a.Class)
	t.goodAt = a.At
	if !a.Sent.Before(t.lastAny) {
		t.run = 0
		if !a.Class.Own {
			t.quiet.accepted++
			if t.quiet.since.IsZero() {
				t.quiet.since = a.At
			}
		}
	}
	t.lately.add(k, a)
	dead := t.classes[k] != nil && t.classes[k].dead
	if t.classes.heal(k, a) {
		if dead {
			t.recanted.add(k, a.At)
		}
		delete(t.quiet.healed, k)
	}
	t.contradict(k, a)
	t.outlive(k, a)
	t.forget(a.At)
	if t.verdict != verdict.Rejected {
		t.total, t.first = t.classes.sum()
	}
	switch {
	case t.verdict == verdict.Nothing:
		t.verdict, t.good = verdict.Accepted, a
	case t.verdict == verdict.Rejected && !t.classes.anyDead():
		t.revive(a.At, a)
	case t.verdict == verdict.Rejected && !a.Sent.Before(t.lastBad.At):
		t.elsewhere = &a
	}
}

// revive takes the credential for alive again, by a or by nothing but time.
func (t *Tracker) revive(now time.Time, a Answer) {
	t.verdict, t.good = verdict.Accepted, a
	t.total, t.first = t.classes.sum()
	t.elsewhere = nil
	if t.told == verdict.Rejected {
		t.revivedAt = now
	}
}

// heal applies an acceptance. When its class had been rejected, the upstream
// has changed its mind about the credential, and what was rejected in the same
// stretch says nothing any more; else the rejected classes are known to be
// rejected on their own.
func (cs classes) heal(k Class, a Answer) (healed bool) {
	own, was := cs[k]
	healed = was && !a.Sent.Before(own.last)
	if healed {
		delete(cs, k)
	}
	if was && !healed {
		return false
	}
	for k, c := range cs {
		switch {
		case a.Sent.Before(c.last):
		case healed && !c.alone && c.suspected == 0:
			delete(cs, k)
		case !healed && !a.Class.Own:
			c.alone = true
		}
	}
	return healed
}

// contradict applies an acceptance to what is suspected of other classes.
func (t *Tracker) contradict(k Class, a Answer) {
	for other, c := range t.classes {
		if other == k || a.Sent.Before(c.last) {
			continue
		}
		if a.Session.ID != 0 && a.Session.ID == c.answer.Session.ID {
			c.alive = a.Session.ID
		}
		if c.needs > 1 && c.noes > 0 && c.decided.IsZero() {
			c.noes, c.open = 0, time.Time{}
		}
	}
}

// outlive drops the classes that the others outlived. The proxy's own question
// asks where it matters: only itself heals it.
func (t *Tracker) outlive(k Class, a Answer) {
	for other, c := range t.classes {
		if other == k || other.Own || a.Class.Own || a.Sent.Before(c.last) {
			continue
		}
		n := t.quiet.healed[other]
		long := !t.quiet.since.IsZero() && a.At.Sub(t.quiet.since) >= quietFor[min(n, len(quietFor)-1)]
		many := t.shapes != nil && n == 0 && t.quiet.accepted >= enough
		if !long && !many {
			continue
		}
		delete(t.classes, other)
		if c.dead {
			if t.quiet.healed == nil || len(t.quiet.healed) >= maxClasses {
				t.quiet.healed = map[Class]int{}
			}
			t.quiet.healed[other] = n + 1
		}
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

// recanted says when a class was accepted that had been believed dead: what the
// upstream says of it was wrong once, however clearly it was said.
type recanted map[Class]time.Time

func (r *recanted) add(k Class, at time.Time) {
	if *r == nil || len(*r) >= maxClasses {
		*r = recanted{}
	}
	(*r)[k] = at
}

func (r recanted) within(k Class, d time.Duration, now time.Time) bool {
	at, ok := r[k]
	return ok && now.Sub(at) < d
}

// acceptances are the latest of each of a few classes, oldest first.
type acceptances []acceptance

type acceptance struct {
	class Class
	Answer
}

const maxAcceptances = 8

func (as *acceptances) add(k Class, a Answer) {
	*as = slices.DeleteFunc(*as, func(old acceptance) bool { return old.class == k })
	if len(*as) >= maxAcceptances {
		*as = slices.Delete(*as, 0, 1)
	}
	*as = append(*as, acceptance{k, a})
}

// of returns the latest acceptance, since a moment, of a class that is not
// refused.
func (as acceptances) of(refused classes, since time.Time) *Answer {
	for _, a := range slices.Backward(as) {
		if refused[a.class] == nil && a.At.After(since) {
			return &a.Answer
		}
	}
	return nil
}
