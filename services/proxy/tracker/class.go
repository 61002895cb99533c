package tracker

import "time"

// Class is what a success has to share with a rejection to heal it.
type Class struct {
	Method    string // of HTTP
	Path      string
	MCPMethod string // of JSON-RPC, where there is one
	Own       bool   // it is the proxy's own question
}

type class struct {
	suspected  int64 // rejected, and not believed yet
	rejections int64 // believed, consecutive
	first      time.Time
	last       time.Time
	answer     Answer // the latest
	dead       bool   // rejected often enough
	// alone: another class was accepted while this one was not. It then says
	// nothing when that other one is accepted again.
	alone bool

	doubt     suspicion
	open      time.Time // the first rejection that waits for the question; zero: none does
	notBefore time.Time // the question has to wait for it
	answered  time.Time // when the latest question was sent that was answered
	decided   time.Time // when it was decided to believe, once the source was read again
	said      *Answer   // the rejected question behind that
	needs     int       // rejected questions in a row until it is believed
	noes      int       // so far
	rounds    int       // accepted questions in a row, each after new rejections
	hits      int       // of a rule on bodies
	unclear   bool      // the latest question said nothing
	more      int64     // rejections since then
	lost      time.Time // until when rejections were about a session
	// lostSession is the one that was lost last.
	lostSession uint64
	alive       uint64  // a session in which another class was accepted since
	elsewhere   *Answer // the accepted question since it is refused
}

// due is when the question has to be asked for c, zero for not at all.
func (c *class) due() time.Time {
	if c.open.IsZero() {
		return time.Time{}
	}
	return latest(c.open, c.notBefore)
}

// sure reports whether the latest rejection needed no question.
func (c *class) sure() bool { return c.doubt == certain && !c.decided.IsZero() }

// resolve ends what was suspected, one way or the other.
func (c *class) resolve() {
	c.suspected, c.noes, c.rounds = 0, 0, 0
	c.open, c.decided, c.said = time.Time{}, time.Time{}, nil
}

type classes map[Class]*class

// class returns the one that k is of, which may be new.
func (t *Tracker) class(k Class) *class {
	k = t.key(k)
	c := t.classes[k]
	if c == nil {
		if len(t.classes) >= maxClasses {
			t.classes.dropOldest()
		}
		c = &class{}
		t.classes[k] = c
	}
	return c
}

// key is what a class is known by.
func (t *Tracker) key(k Class) Class {
	if t.shapes == nil || k.Own {
		return k
	}
	shape, wider := t.shapes.of(k.Path)
	if wider {
		t.classes.rekey(t.shapes)
	}
	k.Path = shape
	return k
}

// rekey brings together what is of one class by now.
func (cs classes) rekey(s *shapes) {
	for k, c := range cs {
		wide := k
		if wide.Path, _ = s.of(k.Path); k.Own || wide == k {
			continue
		}
		if other := cs[wide]; other == nil || c.last.After(other.last) {
			cs[wide] = c
		}
		delete(cs, k)
	}
}

func (cs classes) dropOldest() {
	var oldest Class
	var at time.Time
	for k, c := range cs {
		if at.IsZero() || c.last.Before(at) {
			oldest, at = k, c.last
		}
	}
	delete(cs, oldest)
}

func (cs classes) anyDead() bool {
	for _, c := range cs {
		if c.dead {
			return true
		}
	}
	return false
}

// sum counts the believed rejections, and says when the first of them came.
func (cs classes) sum() (n int64, first time.Time) {
	for _, c := range cs {
		n += c.rejections
		if c.rejections > 0 && (first.IsZero() || c.first.Before(first)) {
			first = c.first
		}
	}
	return n, first
}
