package tracker

import (
	"hash/maphash"
	"time"
)

// Session is the MCP session of a request. The zero value is none.
type Session struct {
	ID uint64 // a hash: whoever knows the id itself can use the session
	// Opened is when the request was sent that opened it, and Generation what was
	// attached to that; zero for one that the proxy did not see opened.
	Opened     time.Time
	Generation uint64
}

// maxSessions bounds the memory of open sessions.
const maxSessions = 4096

// Sessions remembers when the sessions were opened that the proxy saw opened,
// the latest few thousand. It is not safe for concurrent use.
type Sessions struct {
	seed  maphash.Seed
	known map[uint64]Session
	order []uint64 // a ring, once it is full
	next  int
}

// NewSessions returns an empty memory.
func NewSessions() *Sessions {
	return &Sessions{seed: maphash.MakeSeed(), known: map[uint64]Session{}}
}

// Open remembers that a request which was sent at opened the session id.
func (s *Sessions) Open(id string, at time.Time, generation uint64) {
	k := s.hash(id)
	if _, ok := s.known[k]; !ok {
		if len(s.order) < maxSessions {
			s.order = append(s.order, k)
		} else {
			delete(s.known, s.order[s.next])
			s.order[s.next] = k
			s.next = (s.next + 1) % maxSessions
		}
	}
	s.known[k] = Session{ID: k, Opened: at, Generation: generation}
}

// Of returns what is known of the session id; the zero Session for no id.
func (s *Sessions) Of(id string) Session {
	if id == "" {
		return Session{}
	}
	k := s.hash(id)
	if known, ok := s.known[k]; ok {
		return known
	}
	return Session{ID: k}
}

// hash is never 0.
func (s *Sessions) hash(id string) uint64 { return maphash.String(s.seed, id) | 1 }
