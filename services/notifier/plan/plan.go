package plan

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// action is the next message about one workload. The zero value is none.
type action struct {
	Kind     string    // an events.Kind; settled where it is decided that nothing is said
	Incident string    // that the message is about
	Ordinal  int       // tells reminders apart
	Open     bool      // the receiver will know the incident as open
	At       time.Time // when it is due by itself
	Early    time.Time // when it may go in company of others that are due
}

// settled means: whatever the receiver was due is not worth a message any more.
const settled = "settled"

// same reports whether two actions are the same message, whenever it is due.
func (a action) same(b action) bool {
	a.At, b.At, a.Early, b.Early = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return a == b
}

// plan compares what is true with what was delivered. It is the whole policy of
// what is sent about one workload; an action whose time has not come says how
// long to wait. Messages keep the order of the incidents: an incident that the
// receiver knows as open is closed before the next one is opened, except while
// the workload flaps.
func plan(rec events.Record, row Row, p Policy, now time.Time) action {
	open := rec.Incident != ""
	switch {
	case row.Delivered.Open && rec.Incident == row.Delivered.Incident:
		return remind(rec, row, p, now)
	case row.Delivered.Open && open && row.flapping(now):
		return action{Kind: events.KindDigest, Incident: rec.Incident, Open: true}.after(row.calm(now))
	case row.Delivered.Open:
		return resolve(rec, row, p, now)
	case open:
		return opening(rec, row, p, now)
	case row.Due != nil && (p.Warning || p.After > 0 || p.silenced(now) || row.Due.Incident == row.Delivered.Incident):
		return action{Kind: settled}
	case row.Due != nil:
		return action{Kind: events.KindDigest, Incident: row.Due.Incident}.after(row.calm(now))
	}
	return action{}
}

// after is a, due at the time and not before, in company or not.
func (a action) after(at time.Time) action {
	a.At, a.Early = at, at
	return a
}

// remind is silent while a person takes care of the incident.
func remind(rec events.Record, row Row, p Policy, now time.Time) action {
	early := p.SilencedUntil
	if a := rec.Acknowledged; a.Holds(now) {
		if a.Until == nil {
			return action{}
		}
		early = later(early, *a.Until)
	}
	next, ok := p.again(row.Delivered.At)
	if !p.Routed || !ok {
		return action{}
	}
	return action{
		Kind: events.KindReminder, Incident: row.Delivered.Incident, Ordinal: row.Delivered.Reminders + 1, Open: true,
		At: later(next, early), Early: early,
	}
}

func resolve(rec events.Record, row Row, p Policy, now time.Time) action {
	if !p.SendResolved {
		return action{Kind: settled}
	}
	a := action{Kind: events.KindResolved, Incident: row.Delivered.Incident, At: row.Seen.At}
	if rec.Incident == "" {
		a = a.after(row.calm(now))
	}
	return a
}

func opening(rec events.Record, row Row, p Policy, now time.Time) action {
	due := row.Due != nil && row.Due.Incident == rec.Incident
	if !p.Routed && !due {
		return action{}
	}
	a := action{Kind: events.KindOpened, Incident: rec.Incident, Open: true}
	a.Early = later(row.calm(now), p.SilencedUntil)
	if p.After > 0 {
		a.Early = later(a.Early, openedAt(rec).Add(p.After))
		if ack := rec.Acknowledged; ack.Holds(now) {
			if ack.Until == nil {
				return action{}
			}
			a.Early = later(a.Early, *ack.Until)
		}
	}
	a.At = later(row.Seen.At.Add(p.Wait), a.Early)
	return a
}
