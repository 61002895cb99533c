// Package judge turns the answers to a workload's requests into the few facts
// worth telling: edges, not answers. It is a state machine without clock, I/O
// or goroutine; times come in with what happened.
package judge

import (
	"time"

	"github.com/authwatch/authwatch/events"
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

type state int

const (
	unjudged state = iota
	accepted
	rejected
	missing
)

// Judge is the state of one workload. It is not safe for concurrent use.
type Judge struct {
	after int64 // consecutive rejections that make an edge

	loaded  bool // a credential was seen
	cred    Credential
	state   state
	classes classes
	run     int64     // rejections since the last acceptance
	total   int64     // believed rejections of this death
	first   time.Time // of those
	lastBad Answer    // the latest believed rejection
	lastAny time.Time // when the latest rejection came, believed or not
	goodAt  time.Time // when the latest acceptance came
	asked   time.Time // when a re-read was last asked for
	good    Answer    // the acceptance behind state accepted

	told      state   // what the published edges say about this credential
	firsts    limiter // of the first verdict on a credential
	changes   limiter
	loads     limiter
	forbids   limiter
	reassert  time.Time
	newLoad   bool // a loaded or missing is to be told
	forbidden forbidden
	facts     []Fact
}

// New returns the judge of a workload whose edges take after consecutive
// rejections (at least 1).
func New(after int) *Judge {
	return &Judge{after: int64(max(after, 1)), classes: classes{}}
}

// Load tells what the source holds now. Everything known about another value
// is forgotten.
func (j *Judge) Load(now time.Time, c Credential) {
	if j.loaded && c.Usable && j.cred.Usable && c.Generation == j.cred.Generation {
		j.cred.Info.ExpiresAt = c.Info.ExpiresAt
		return
	}
	if j.loaded && !c.Usable && !j.cred.Usable && c.Problem == j.cred.Problem && c.Detail == j.cred.Detail {
		return
	}
	j.loaded, j.cred = true, c
	j.state, j.told = unjudged, unjudged
	if !c.Usable {
		j.state = missing
	}
	clear(j.classes)
	j.run, j.total, j.first = 0, 0, time.Time{}
	j.lastAny, j.asked = time.Time{}, time.Time{}
	j.reassert = time.Time{}
	j.forbidden = forbidden{}
	j.newLoad = true
	j.Tick(now)
}

// Expiring tells that the credential is about to expire.
func (j *Judge) Expiring(now time.Time) {
	if !j.loaded || !j.cred.Usable {
		return
	}
	j.tellLoad(now)
	j.add(Fact{Type: events.TypeExpiring, At: now, Observation: events.Observation{Credential: j.credential()}})
}

// Settled reports whether acceptances of the current credential change nothing,
// so that nobody has to tell them.
func (j *Judge) Settled() (generation uint64, ok bool) {
	return j.cred.Generation, j.state == accepted && j.told == accepted && len(j.classes) == 0
}

// Quiet reports whether nothing is rejected or suspected.
func (j *Judge) Quiet() bool { return len(j.classes) == 0 }

// Rejected reports whether the current credential is believed dead.
func (j *Judge) Rejected() bool { return j.state == rejected }

// Take returns the facts since the last call, in order.
func (j *Judge) Take() []Fact {
	f := j.facts
	j.facts = nil
	return f
}

func (j *Judge) add(f Fact) { j.facts = append(j.facts, f) }

func (j *Judge) credential() *events.Credential {
	c := j.cred.Info
	return &c
}
