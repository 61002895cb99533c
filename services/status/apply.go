package status

import (
	"github.com/authwatch/authwatch/events"
)

// Apply returns the record after o, and whether anything changed. It is total
// and has no clock and no memory: every replica that applies the observations of
// a workload in the order of the stream gets the same record.
//
// An observation changes nothing when it is not after the record's position, is
// a repetition, is of an unknown type, or is about a credential that has been
// replaced.
func Apply(before events.Record, o Observation) (after events.Record, changed bool) {
	o.Data = bound(o.Data)
	f, ok := factOf(o.Type)
	if !ok || !follows(o.Position, o.Stored, before.Observed) || repeated(before, o) {
		return before, false
	}
	switch f {
	case acknowledged:
		return acknowledge(before, o)
	case retired:
		return retire(before, o)
	}
	about := relate(before, o)
	if about == stale {
		return before, false
	}
	r := before
	if r.Status == "" {
		r.Workload, r.Status, r.Since = o.Data.Workload, events.StatusUnknown, o.Stored
	}
	from := r.Status
	describe(&r, o)
	switch {
	case about == newer && f != missing:
		// The first observation of a credential also says that it was loaded: its
		// auth.loaded may never have been published.
		r.Status = step(r.Status, loaded)
		r.Credential, r.Forbidden, r.AcceptedElsewhere = o.Data.Credential, nil, nil
	case f == loaded:
		f = reloaded
	}
	r.Status = step(r.Status, f)
	if r.Status != from {
		r.Previous, r.Since = from, o.Stored
	}
	keepEvidence(&r, before, f, about, o)
	r.Reason = reason(r, f, o)
	if r.Status != from || r.Reason != before.Reason {
		r.Cause = &events.Cause{Type: o.Type, ID: o.ID, Time: o.Time, TraceParent: o.TraceParent}
	}
	if f == missing || !detailed(r.Status) {
		r.Message = cut(message(r, o.Data.Detail), maxMessage)
	}
	r.Observers = observersAfter(before, o)
	keepLoadedSince(&r, before)
	r.Observed = &o.Position
	return r, true
}

// detailed reports whether the words of a status have a detail, which stands only
// in the event that led to it.
func detailed(s events.Status) bool {
	return s == events.StatusMissing || s == events.StatusRetired
}

// transition reports whether the status itself changed between two records.
func transition(before, after events.Record) bool {
	if before.Status == "" {
		before.Status = events.StatusUnknown
	}
	return before.Status != after.Status
}

func repeated(r events.Record, o Observation) bool {
	said, ok := observer(r, o.Source)
	return o.Repeated || ok && said.ID == o.ID
}

// describe updates what does not depend on the status.
func describe(r *events.Record, o Observation) {
	if o.Data.Upstream != "" {
		r.Upstream = o.Data.Upstream
	}
	if o.Data.Labels != nil || o.Type == events.TypeLoaded {
		r.Labels = o.Data.Labels
	}
	c := o.Data.Credential
	switch {
	case c == nil:
	case r.Credential == nil:
		r.Credential = c
	default:
		merged := *r.Credential
		if c.Source != "" {
			merged.Source = c.Source
		}
		if c.ExpiresAt != nil {
			merged.ExpiresAt = c.ExpiresAt
		}
		r.Credential = &merged
	}
}

// keepEvidence keeps what was seen, and opens or closes the incident.
func keepEvidence(r *events.Record, before events.Record, f fact, about relation, o Observation) {
	switch f {
	case authorized:
		r.Evidence, r.AcceptedElsewhere = nil, nil
		closeIncident(r, before.Reason, o.Stored)
	case unauthorized:
		if about == current && before.Status == events.StatusUnauthenticated {
			r.Evidence = moreEvidence(before, o)
		} else {
			r.Evidence = newEvidence(o)
		}
		r.AcceptedElsewhere = o.Data.AcceptedElsewhere
		openIncident(r, o)
	case missing:
		r.Evidence, r.AcceptedElsewhere = nil, nil
		openIncident(r, o)
	case forbidden:
		r.Forbidden = &events.Forbidden{At: o.Stored, Scopes: o.Data.Scopes, Request: o.Data.Request, Response: o.Data.Response}
	}
}

func newEvidence(o Observation) *events.Evidence {
	return &events.Evidence{
		Request: o.Data.Request, Response: o.Data.Response,
		Rejections: max(o.Data.Rejections, 1), FirstSeen: o.Data.FirstSeen,
	}
}

// moreEvidence shows the latest rejection, the time of the first, and their
// number over all sources. A source counts the rejections of one run: a smaller
// count than its last one is a new run.
func moreEvidence(before events.Record, o Observation) *events.Evidence {
	e := newEvidence(o)
	if said, ok := observer(before, o.Source); ok && e.Rejections > said.Rejections {
		e.Rejections -= said.Rejections
	}
	if old := before.Evidence; old != nil {
		e.Rejections += old.Rejections
		if old.FirstSeen != nil {
			e.FirstSeen = old.FirstSeen
		}
	}
	return e
}
