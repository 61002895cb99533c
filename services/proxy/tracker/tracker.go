// Package tracker follows the verdicts on one workload's credential and turns
// them into the few facts worth publishing: changes, not answers. It is a state
// machine without clock, I/O or goroutine; times come in with what happened.
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

// Tracker is the state of one workload. It is not safe for concurrent use.
type Tracker struct {
	after int64 // consecutive rejections that make an edge

	loaded  bool // a credential was seen
	cred    Credential
	verdict verdict.Kind // on cred; Nothing: none yet
	classes classes
	run     int64     // rejections since the last acceptance
	total   int64     // believed rejections of this death
	first   time.Time // of those
	lastBad Answer    // the latest believed rejection
	lastAny time.Time // when the latest rejection came, believed or not
	goodAt  time.Time // when the latest acceptance came
	asked   time.Time // when a re-read was last asked for
	good    Answer    // the acceptance behind verdict Accepted

	told      verdict.Kind // what the published facts say about cred
	firsts    limiter      // of the first verdict on a credential
	changes   limiter
	loads     limiter
	forbids   limiter
	reassert  time.Time
	newLoad   bool // a loaded or missing is to be told
	forbidden forbidden
	facts     []Fact
}

// New returns the tracker of a workload whose edges take after consecutive
// rejections (at least 1).
func New(after int) *Tracker {
	return &Tracker{after: int64(max(after, 1)), classes: classes{}}
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
	t.loaded, t.cred = true, c
	t.verdict, t.told = verdict.Nothing, verdict.Nothing
	clear(t.classes)
	t.run, t.total, t.first = 0, 0, time.Time{}
	t.lastAny, t.asked = time.Time{}, time.Time{}
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
// so that nobody has to tell them.
func (t *Tracker) Settled() (generation uint64, ok bool) {
	return t.cred.Generation, t.verdict == verdict.Accepted && t.told == verdict.Accepted && len(t.classes) == 0
}

// Quiet reports whether nothing is rejected or suspected.
func (t *Tracker) Quiet() bool { return len(t.classes) == 0 }

// Rejected reports whether the current credential is believed dead.
func (t *Tracker) Rejected() bool { return t.verdict == verdict.Rejected }

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
