package tracker

import "time"

// Class is what a success has to share with a rejection to heal it.
type Class struct {
	Method    string // of HTTP
	Path      string
	MCPMethod string // of JSON-RPC, where there is one
}

type class struct {
	suspected  int64 // rejected, and the source was not read again since
	rejections int64 // believed, consecutive
	first      time.Time
	last       time.Time
	answer     Answer // the latest
	dead       bool   // rejected often enough
	// alone: another class was accepted while this one was not. It then says
	// nothing when that other one is accepted again.
	alone bool
}

type classes map[Class]*class

func (cs classes) get(k Class) *class {
	c := cs[k]
	if c == nil {
		if len(cs) >= maxClasses {
			cs.dropOldest()
		}
		c = &class{}
		cs[k] = c
	}
	return c
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

// heal applies an acceptance. When its class had been rejected, the upstream
// has changed its mind about the credential, and what was rejected in the same
// stretch says nothing any more; else the rejected classes are known to be
// rejected on their own.
func (cs classes) heal(a Answer) {
	own, was := cs[a.Class]
	healed := was && !a.Sent.Before(own.last)
	if healed {
		delete(cs, a.Class)
	}
	if was && !healed {
		return
	}
	for k, c := range cs {
		switch {
		case a.Sent.Before(c.last):
		case !healed:
			c.alone = true
		case !c.alone && c.suspected == 0:
			delete(cs, k)
		}
	}
}
