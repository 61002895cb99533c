// Package tracker follows the verdicts on one workload's credential and turns
// them into the few facts worth publishing: changes, not answers. It is a state
// machine without clock, I/O or goroutine; times come in with what happened.
//
// A rejection is evidence. Most are believed once the source was read again;
// some are only suspected, and one question of the proxy's own decides them.
package tracker

import (
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

const (
	// edgeEvery is the least time between two edges of one kind.
	edgeEvery = time.Second
	// reassertEvery is how often a bad state is said again, so that a status
	// service that lost its memory heals.
	reassertEvery = 5 * time.Minute
	// rereadEvery is how often the source is read again while answers keep
	// being rejected.
	rereadEvery = 5 * time.Second
	// forgetAfter ends the memory of a rejected class that is not tried again
	// while others are accepted.
	forgetAfter = 15 * time.Minute
	// maxClasses bounds the memory: paths and methods come from clients.
	maxClasses = 64
)

// Fact is something to publish.
type Fact struct {
	Type        string
	At          time.Time
	Observation events.Observation // without workload, labels and upstream
	Behind      Answer             // whose request made it, zero where none did
	Again       bool               // nothing is new about it
}

// Credential is what the workload's source holds.
type Credential struct {
	Generation uint64 // changes with the value
	Usable     bool
	Info       events.Credential
	Problem    string // why it is not usable
	Detail     string
}

// Options are what differs between workloads.
type Options struct {
	After  int           // consecutive rejections that make an edge; at least 1
	Settle time.Duration // how long a new value may be refused at first; 0: not at all
	Shapes bool          // paths that differ only in an identifier are of one class
}

// Tracker is the state of one workload. It is not safe for concurrent use.
type Tracker struct {
	after  int64 // consecutive rejections that make an edge
	settle time.Duration
	shapes *shapes // nil: paths as they are

	loaded   bool // a credential was seen
	cred     Credential
	loadedAt time.Time
	verdict  verdict.Kind // on cred; Nothing: none yet
	classes  classes
	run      int64     // rejections since the last acceptance
	total    int64     // believed rejections of this death
	first    time.Time // of those
	lastBad  Answer    // the latest believed rejection
	behind   Answer    // the client's request that led to it
	lastAny  time.Time // when the latest rejection came, believed or not
	asked    time.Time // when a re-read was last asked for

	good      Answer    // the acceptance behind verdict Accepted
	goodAt    time.Time // when the latest acceptance came; zero: never
	lately    acceptances
	quiet     quiet
	elsewhere *Answer   // accepted although another class is dead
	revivedAt time.Time // when the value was accepted after it had been told dead
	recanted  recanted
	question  question

	told      verdict.Kind // what the published facts say about cred
	toldThere bool         // that it is accepted elsewhere
	firsts    limiter      // of the first verdict on a credential
	changes   limiter
	loads     limiter
	forbids   limiter
	reassert  time.Time
	newLoad   bool // a loaded or missing is to be told
	forbidden forbidden
	facts     []Fact
	lost      uint64
}

// New returns the tracker of a workload.
func New(o Options) *Tracker {
	t := &Tracker{after: int64(max(o.After, 1)), settle: o.Settle, classes: classes{}}
	if o.Shapes {
		t.shapes = &shapes{}
	}
	return t
}

// Load tells what the source holds now. Everything known about another value
// is forgotten.
func (t *Tracker) Load(now time.Time, c Credential) {
	if t.loaded && c.Usable && t.cred.Usable && c.Generation == t.cred.Generation {
		t.cred.Info.ExpiresAt = c.Info.ExpiresAt
		return
	}
	if t.loaded && !c.Usable && !t.cred.Usable && c.Problem == t.cred.Problem && c.Detail == t.cred.Detail {
		return
	}
	t.loaded, t.cred, t.loadedAt = true, c, now
	if c.Info.LoadedAt != nil {
		t.loadedAt = *c.Info.LoadedAt
	}
	t.verdict, t.told, t.toldThere = verdict.Nothing, verdict.Nothing, false
	clear(t.classes)
	t.run, t.total, t.first = 0, 0, time.Time{}
	t.lastAny, t.asked = time.Time{}, time.Time{}
	t.goodAt, t.lately, t.quiet = time.Time{}, nil, quiet{}
	t.elsewhere, t.revivedAt, t.recanted = nil, time.Time{}, nil
	t.question.renew()
	t.reassert = time.Time{}
	t.forbidden = forbidden{}
	t.newLoad = true
	t.Tick(now)
}

// Expiring tells that the credential is about to expire.
func (t *Tracker) Expiring(now time.Time) {
	if !t.loaded || !t.cred.Usable {
		return
	}
	t.tellLoad(now)
	t.add(Fact{Type: events.TypeExpiring, At: now, Observation: events.Observation{Credential: t.credential()}})
}

// Settled reports whether acceptances of the current credential change nothing,
// so that one a second is enough to know which classes are accepted.
func (t *Tracker) Settled() (generation uint64, ok bool) {
	return t.cred.Generation, t.verdict == verdict.Accepted && t.told == verdict.Accepted && len(t.classes) == 0
}

// Rejected reports whether the current credential is believed dead.
func (t *Tracker) Rejected() bool { return t.verdict == verdict.Rejected }

// Lost counts the rejections that were about a session.
func (t *Tracker) Lost() uint64 { return t.lost }

// Take returns the facts since the last call, in order.
func (t *Tracker) Take() []Fact {
	f := t.facts
	t.facts = nil
	return f
}

func (t *Tracker) add(f Fact) { t.facts = append(t.facts, f) }

func (t *Tracker) credential() *events.Credential {
	c := t.cred.Info
	return &c
}

// current reports whether generation is that of the value in use.
func (t *Tracker) current(generation uint64) bool {
	return t.loaded && t.cred.Usable && generation == t.cred.Generation
}
