package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// A relation of an observation's credential to the recorded one.
type relation int

const (
	current relation = iota
	newer            // loaded later than the recorded one: it replaces it
	stale            // replaced already
)

// relate decides which credential an observation is about. Three clocks are
// involved and none is trusted across machines:
//
//   - One source's own reports are ordered by the stream and by its loaded_at.
//     A source that used the recorded credential and now reports another one has
//     replaced it, whatever the clocks say.
//   - Between sources, loaded_at is moved to the broker's clock first, by the
//     least distance ever seen between the source's clock and the broker's. The
//     least, because a delayed event makes the distance look longer.
func relate(r events.Record, o Observation) relation {
	recorded, fp := fingerprint(r), o.fingerprint()
	if o.Type != events.TypeMissing && (fp == "" || fp == recorded) {
		return current
	}
	if recorded == "" || r.Status == events.StatusRetired { // nobody uses what is recorded
		return newer
	}
	at := o.loadedAt()
	if said, ok := observer(r, o.Source); ok && !at.IsZero() && !setBack(said, o) {
		if said.LoadedAt != nil && at.Before(*said.LoadedAt) {
			return stale
		}
		if said.Fingerprint == using(r) || said.Fingerprint == recorded {
			return newer
		}
	}
	since := loadedSince(r)
	switch {
	case since.IsZero():
		return newer // nobody knows: the order of the stream decides
	case at.IsZero():
		return stale
	case at.Add(skew(r, o)).After(since):
		return newer
	}
	return stale
}

// using is the fingerprint in use, empty while the credential is missing.
func using(r events.Record) string {
	if r.Status == events.StatusMissing {
		return ""
	}
	return fingerprint(r)
}

func fingerprint(r events.Record) string {
	if r.Credential == nil {
		return ""
	}
	return r.Credential.Fingerprint
}

// loadedSince is when the recorded credential was first loaded anywhere, by the
// broker's clock.
func loadedSince(r events.Record) time.Time {
	since := observedSince(r)
	if since.IsZero() && r.Credential != nil && r.Credential.LoadedAt != nil {
		since = *r.Credential.LoadedAt
	}
	return since
}

// observedSince is zero when no observer uses the recorded credential.
func observedSince(r events.Record) time.Time {
	var since time.Time
	for _, s := range r.Observers {
		if s.LoadedAt == nil || s.Fingerprint != fingerprint(r) {
			continue
		}
		if at := s.LoadedAt.Add(time.Duration(s.SkewMS) * time.Millisecond); since.IsZero() || at.Before(since) {
			since = at
		}
	}
	return since
}

// keepLoadedSince moves the credential's own load time to the broker's clock when
// the last observer that used it is gone, and the knowledge of its clock with it.
func keepLoadedSince(r *events.Record, before events.Record) {
	if fingerprint(*r) == "" || fingerprint(*r) != fingerprint(before) || !observedSince(*r).IsZero() {
		return
	}
	if since := observedSince(before); !since.IsZero() {
		kept := *r.Credential
		kept.LoadedAt = &since
		r.Credential = &kept
	}
}

// skew estimates the broker's clock minus the source's, from o and from what the
// source said before. It includes the delay of the fastest event.
func skew(r events.Record, o Observation) time.Duration {
	seen := o.Stored.Sub(o.Time)
	if said, ok := observer(r, o.Source); ok && !setBack(said, o) {
		seen = min(seen, time.Duration(said.SkewMS)*time.Millisecond)
	}
	return seen
}

// setBack reports that the source's clock was set back since its last event, which
// makes its earlier times useless. A repeated event looks the same and is
// recognised before: see doubtful.
func setBack(said events.Observer, o Observation) bool { return o.Time.Before(said.Time) }

// late is how far an event's delay may be from its source's usual one before it
// is looked up: a repetition that the stream did not drop is later by more.
const late = bus.DedupWindow / 2

// odd is how far a clock may be from the broker's: no event is late by that much, and
// the stream keeps no copy for so long. Such a clock costs its source the recognition
// of repetitions, and nobody a search.
const odd = 2 * 365 * 24 * time.Hour

// doubtful reports whether o may be a repetition of an event that stands earlier
// in the stream, so that the stream has to be searched for it before o.Repeated
// is right. Observations that arrive promptly and in order never are.
func doubtful(r events.Record, o Observation) bool {
	said, ok := observer(r, o.Source)
	usual := time.Duration(said.SkewMS) * time.Millisecond
	switch {
	case o.Stored.Sub(o.Time).Abs() > odd || usual.Abs() > odd:
		return false
	case !ok:
		return o.Stored.Sub(o.Time).Abs() > late
	}
	return !o.Time.After(said.Time) || (o.Stored.Sub(o.Time)-usual).Abs() > late
}

func observer(r events.Record, source string) (events.Observer, bool) {
	i := slices.IndexFunc(r.Observers, func(s events.Observer) bool { return s.Source == source })
	if i < 0 {
		return events.Observer{}, false
	}
	return r.Observers[i], true
}

// observersAfter returns the record's observers after o, by source.
func observersAfter(r events.Record, o Observation) []events.Observer {
	now := events.Observer{
		Source: o.Source, Type: o.Type, ID: o.ID, Time: o.Time,
		SkewMS:      skew(r, o).Milliseconds(),
		Fingerprint: o.fingerprint(),
	}
	if at := o.loadedAt(); now.Fingerprint != "" && !at.IsZero() {
		now.LoadedAt = &at
	}
	if said, ok := observer(r, o.Source); ok && said.Fingerprint == now.Fingerprint {
		now.Rejections = said.Rejections
		if now.LoadedAt == nil {
			now.LoadedAt = said.LoadedAt
		}
	}
	switch o.Type {
	case events.TypeUnauthorized:
		now.Rejections = max(o.Data.Rejections, 1)
	case events.TypeAuthorized:
		now.Rejections = 0
	}
	all := slices.DeleteFunc(slices.Clone(r.Observers), func(s events.Observer) bool { return s.Source == o.Source })
	all = append(cutObservers(all, now), now)
	slices.SortFunc(all, func(a, b events.Observer) int { return cmp.Compare(a.Source, b.Source) })
	return all
}
