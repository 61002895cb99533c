package tracker

import "time"

const (
	// weakAfterAccepted is how long an acceptance makes weak evidence doubtful.
	weakAfterAccepted = time.Minute
	// weakAfterLoaded is how long weak evidence against a new value is doubtful:
	// not every replica of the upstream may know it yet.
	weakAfterLoaded = time.Minute
	// doubtRevived is how long a value is doubted less easily that was told dead
	// and then accepted again.
	doubtRevived = 10 * time.Minute
	// revivedNeeds is how many questions in a row have to be rejected then.
	revivedNeeds = 3
	// contraryNeeds is how many where weak evidence contradicts a fresh acceptance.
	// The second is asked at once: a server that answers wrongly now and then seldom
	// does twice.
	contraryNeeds = 2
	// refusedNeeds is how often in a row a class has to be refused, each time with
	// an accepted question behind it, until it is believed to be refused.
	refusedNeeds = 3
	// refusedSteady is how long that has to go on where the value was told dead, or
	// refused, and then was not.
	refusedSteady = time.Minute
)

// suspicion is why a rejection is not believed at once.
type suspicion int

const (
	certain   suspicion = iota
	refused             // certain, and it says nothing about other classes
	inSession           // it may be the session that the upstream does not know
	contrary            // weak, and the value was accepted or loaded a moment ago
	settling            // the value is new; the upstream may not know it yet
	later               // the upstream says when to come again
	fromBody            // a rule found it in a body
	revived             // the value was told dead before, and was not
)

// suspect says how far a may be believed, before it is taken in.
func (t *Tracker) suspect(c *class, a Answer) suspicion {
	if c.dead || t.Rejected() && t.elsewhere == nil {
		return certain // nothing contradicts what is known
	}
	if c.unclear && !a.Later {
		if c.more++; c.more >= t.after {
			return certain
		}
	}
	in := a.Session.ID != 0 && !a.FromBody // a body comes from a server that knows the session
	switch {
	case in && a.Session.ID != c.alive && t.since(c, a.Session):
		return refused
	case in && a.Session.ID != c.alive:
		return inSession
	case in, !a.Strong && !a.FromBody && t.acceptedWithin(weakAfterAccepted, a.At):
		return contrary
	case t.settles(a.At):
		return settling
	case !a.Strong && !a.FromBody && a.At.Before(t.loadedAt.Add(weakAfterLoaded)):
		return contrary
	case a.Later:
		return later
	case a.FromBody && c.hits > 0 && !a.Sent.Before(c.last):
		return refused
	case a.FromBody:
		return fromBody
	case !a.Strong && t.revived(a.At), t.recanted.within(t.key(a.Class), doubtRevived, a.At):
		return revived
	}
	return certain
}

// since reports whether s was opened, with the value in use, after the class
// lost a session: the upstream cannot mean that it does not know it.
func (t *Tracker) since(c *class, s Session) bool {
	return !c.lost.IsZero() && s.ID != c.lostSession && s.Generation == t.cred.Generation && !s.Opened.Before(c.lost)
}

func (t *Tracker) acceptedWithin(d time.Duration, now time.Time) bool {
	return !t.goodAt.IsZero() && now.Sub(t.goodAt) < d
}

func (t *Tracker) settles(now time.Time) bool {
	return t.goodAt.IsZero() && now.Before(t.loadedAt.Add(t.settle))
}

func (t *Tracker) revived(now time.Time) bool {
	return !t.revivedAt.IsZero() && now.Sub(t.revivedAt) < doubtRevived
}

// doubt keeps a for the question.
func (t *Tracker) doubt(c *class, a Answer, why suspicion) {
	c.doubt = why
	switch {
	case why == revived, !a.Strong && t.revived(a.At):
		c.needs = revivedNeeds
	case why == contrary:
		c.needs = contraryNeeds
	default:
		c.needs = 1
	}
	if why == inSession && t.question.vouches(a) {
		t.lose(c, t.question.accepted)
		return
	}
	if c.open.IsZero() {
		c.open = a.At
	}
	if why == settling {
		c.notBefore = t.loadedAt.Add(t.settle)
	}
}

// lose takes the rejections of c for the loss of a session.
func (t *Tracker) lose(c *class, accepted *Answer) {
	t.lost += uint64(c.suspected)
	c.lost, c.lostSession = c.last, c.answer.Session.ID
	if accepted.Sent.After(c.lost) {
		c.lost = accepted.Sent
	}
	c.elsewhere = accepted
	c.resolve()
}
