package tracker_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

const settle = 3 * time.Second

// young begins with a value that was never accepted; old, with one that was, a
// while ago.
func young(t require.TestingT) *life {
	return begin(t, tracker.Options{After: 1, Settle: settle})
}

func old(t require.TestingT) *life {
	c := begin(t, tracker.Options{After: 1, Settle: settle})
	c.accept("tools/list")
	c.pass(time.Hour)
	c.out = nil
	return c
}

// refuse is a rejection, believed if the source is asked for again.
func (c *life) refuse(a tracker.Answer) tracker.Answer {
	a.Verdict = verdict.Rejected
	if a.Class == (tracker.Class{}) {
		a.Class = class("tools/call")
	}
	if c.observe(a) {
		c.Confirm(c.now, c.now, c.gen)
		c.take()
	}
	a.Generation, a.Sent, a.At = c.gen, c.now, c.now
	return a
}

// session is one that was opened now, with the value in use.
func (c *life) session(id uint64) tracker.Session {
	c.now = c.now.Add(time.Millisecond)
	return tracker.Session{ID: id, Opened: c.now, Generation: c.gen}
}

func (c *life) acceptIn(s tracker.Session, rpc string) {
	c.observe(tracker.Answer{Verdict: verdict.Accepted, Class: class(rpc), Session: s})
}

func (c *life) elsewhere() string {
	require.NotEmpty(c.t, c.out)
	f := c.last()
	require.Equal(c.t, events.TypeUnauthorized, f.Type)
	require.Equal(c.t, events.ReasonRefusedClass, f.Observation.Reason(f.Type))
	return f.Observation.AcceptedElsewhere.Request.MCPMethod
}

// deaths counts how often the credential was told dead.
func (c *life) deaths() (n int) {
	for _, f := range c.out {
		if f.Type == events.TypeUnauthorized && !f.Again {
			n++
		}
	}
	return n
}
