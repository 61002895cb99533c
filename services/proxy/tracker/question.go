package tracker

import (
	"time"

	"github.com/authwatch/authwatch/services/proxy/verdict"
)

const (
	// askEvery is the least time between two questions.
	askEvery = time.Second
	// askAgainEvery is how often a question is repeated that was rejected while
	// clients are accepted.
	askAgainEvery = time.Minute
)

// question is the proxy's own request that decides what is suspected.
type question struct {
	open     bool      // it is under way
	asked    time.Time // the latest
	accepted *Answer   // the latest acceptance of this value
}

// renew forgets what was said about another value. A question that is under way
// stays the only one.
func (q *question) renew() { q.asked, q.accepted = time.Time{}, nil }

// vouches reports whether the latest acceptance is young enough to stand for an
// answer about a.
func (q *question) vouches(a Answer) bool {
	return q.accepted != nil && a.At.Sub(q.accepted.Sent) < askEvery
}

// Ask reports whether the upstream is to be asked now, about the value of
// generation. [Tracker.Answered] has to follow, with an answer of any kind.
func (t *Tracker) Ask(now time.Time) (generation uint64, ok bool) {
	due := t.questionDue()
	if due.IsZero() || now.Before(due) {
		return 0, false
	}
	t.question.open, t.question.asked = true, now
	return t.cred.Generation, true
}

// questionDue is when to ask, zero for not at all.
func (t *Tracker) questionDue() time.Time {
	if t.question.open || !t.loaded || !t.cred.Usable {
		return time.Time{}
	}
	var due time.Time
	spaced := time.Time{}
	if !t.question.asked.IsZero() {
		spaced = t.question.asked.Add(askEvery)
	}
	for k, c := range t.classes {
		at := c.due()
		if k.Own && c.dead && t.goodAt.After(c.last) {
			at = latest(c.last, t.question.asked).Add(askAgainEvery)
		}
		if at.IsZero() {
			continue
		}
		if c.noes == 0 || c.needs != contraryNeeds {
			at = latest(at, spaced)
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

// Answered takes in the answer to a question; verdict Nothing stands for one
// that says nothing, or for none. It returns true when the source is to be read
// again, as [Tracker.Observe] does.
func (t *Tracker) Answered(a Answer) (reread bool) {
	t.question.open = false
	if !t.current(a.Generation) {
		return false
	}
	for k, c := range t.classes {
		if c.open.IsZero() || c.open.After(a.Sent) {
			continue
		}
		c.answered = a.Sent
		switch a.Verdict {
		case verdict.Accepted:
			t.acquit(k, c, &a)
		case verdict.Rejected:
			t.second(c, a)
		case verdict.Forbidden:
			delete(t.classes, k)
		default:
			c.unclear, c.more, c.open = true, 0, time.Time{}
		}
		reread = reread || !c.decided.IsZero()
	}
	t.takeAnswer(a)
	if reread {
		t.asked = a.At
	}
	t.Tick(a.At)
	return reread
}

// takeAnswer is what the answer to a question says beyond what was suspected.
func (t *Tracker) takeAnswer(a Answer) {
	switch a.Verdict {
	case verdict.Accepted:
		t.question.accepted = &a
		t.accept(a)
	case verdict.Rejected:
		if c := t.classes[t.key(a.Class)]; c != nil && c.dead {
			t.reject(a)
		}
	case verdict.Forbidden:
		t.forbid(a)
	}
}

// acquit applies an accepted question: the credential is alive, and what is
// refused all the same is refused for another reason.
func (t *Tracker) acquit(k Class, c *class, a *Answer) {
	c.unclear, c.said, c.noes, c.elsewhere = false, nil, 0, a
	c.open, c.notBefore = time.Time{}, time.Time{}
	switch c.doubt {
	case inSession:
		t.lose(c, a)
		return
	case settling, later:
		if !c.last.After(a.Sent) {
			delete(t.classes, k)
			return
		}
	case contrary, revived:
		c.rounds++
		steady := !t.revived(a.At) || a.At.Sub(c.first) >= refusedSteady
		if steady && c.rounds >= refusedNeeds && c.suspected >= max(t.after, refusedNeeds) {
			c.decided = a.At
			return
		}
	}
	if c.last.After(a.Sent) {
		c.open = c.last
	}
}

// second applies a rejected question: it is the second opinion.
func (t *Tracker) second(c *class, a Answer) {
	c.unclear = false
	if t.settles(a.Sent) {
		c.notBefore = t.loadedAt.Add(t.settle)
		return
	}
	c.elsewhere = nil
	if c.noes++; c.noes < c.needs {
		return
	}
	c.said, c.decided, c.open = &a, a.At, time.Time{}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
