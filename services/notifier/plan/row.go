package plan

import (
	"slices"
	"time"

	"github.com/authwatch/authwatch/events"
)

// Row is the durable memory of one receiver about one workload.
type Row struct {
	Delivered LastDelivered `json:"delivered"`
	// Due is an incident that the receiver should hear of and has not.
	Due *Due `json:"due,omitempty"`
	// Pending is the message that is on its way. It stands in the row of its
	// first member only.
	Pending *Delivery `json:"pending,omitempty"`
	Seen    Seen      `json:"seen"`
	// Changes are the times of the latest openings and closings.
	Changes []time.Time `json:"changes,omitempty"`
	// Retired are the latest incidents that ended because the workload was taken out
	// of service.
	Retired []string `json:"retired,omitempty"`
}

// LastDelivered is the last state that the receiver accepted a message about.
type LastDelivered struct {
	Incident string `json:"incident,omitempty"`
	Open     bool   `json:"open,omitempty"`
	// Incidents is the ordinal of Incident: [events.Record.Incidents] then.
	Incidents int64     `json:"incidents,omitempty"`
	Opened    time.Time `json:"opened,omitzero"`
	Ended     time.Time `json:"ended,omitzero"` // set once Incident is over
	// Thread is the id of the message that opened the conversation; Ref is
	// what the receiver called it, a Slack timestamp for example.
	Thread    string    `json:"thread,omitempty"`
	Ref       string    `json:"ref,omitempty"`
	At        time.Time `json:"at,omitzero"`
	Reminders int       `json:"reminders,omitempty"`
	// Labels are those that the receiver knows the workload by, where it knows it
	// by its labels. They stay until the end of Incident.
	Labels map[string]string `json:"labels,omitempty"`
}

// Due is an incident that the receiver has yet to hear of.
type Due struct {
	Incident  string        `json:"incident"`
	Incidents int64         `json:"incidents,omitempty"`
	Status    events.Status `json:"status,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Opened    time.Time     `json:"opened,omitzero"`
	Closed    time.Time     `json:"closed,omitzero"`
}

// Seen is the latest opening or closing that was looked at.
type Seen struct {
	Incident string    `json:"incident,omitempty"` // empty: none open
	At       time.Time `json:"at,omitzero"`
	// Since and Rank are those of the newest record looked at. After a crash the
	// stream is read again from a little before: what is newer in neither is no
	// further change.
	Since time.Time `json:"since,omitzero"`
	Rank  int64     `json:"rank,omitempty"`
}

// rank counts the openings and closings up to a record.
func rank(rec events.Record) int64 {
	n := 2 * rec.Incidents
	if rec.Incident != "" {
		n--
	}
	return n
}

// Empty reports whether nothing would be lost without the row.
func (r Row) Empty() bool {
	return r.Delivered.Incident == "" && r.Due == nil && r.Pending == nil
}

// observe takes note of a record, in the order of the STATUS stream.
func (r Row) observe(rec events.Record, routed bool, now time.Time) Row {
	if rec.Incident != r.Seen.Incident {
		if rec.Since.After(r.Seen.Since) || rank(rec) > r.Seen.Rank || rec.Incidents == 0 {
			r.Changes = remember(r.Changes, now)
		}
		r.Seen = Seen{
			Incident: rec.Incident, At: now,
			Since: later(r.Seen.Since, rec.Since), Rank: max(r.Seen.Rank, rank(rec)),
		}
	}
	if rec.Incident != "" && routed && r.isDue(rec) {
		r.Due = &Due{
			Incident: rec.Incident, Incidents: rec.Incidents,
			Status: rec.Status, Reason: rec.Reason, Opened: openedAt(rec),
		}
	}
	if o := r.Due; o != nil && o.Closed.IsZero() && rec.Incident != o.Incident {
		closed := *o
		closed.Closed = closedAt(rec, o.Incident)
		r.Due = &closed
	}
	if r.Delivered.Open && r.Delivered.Ended.IsZero() && rec.Incident != r.Delivered.Incident {
		r.Delivered.Ended = closedAt(rec, r.Delivered.Incident)
	}
	return r
}

// mostRetired is how many incidents that ended with their workload are remembered.
const mostRetired = 4

// noteEnd remembers that the latest incident ended with its workload: no later record
// says so. It keeps what the receiver is still to hear of, told among it.
func (r Row) noteEnd(rec events.Record, told ...string) (after Row, news bool) {
	l := rec.LastIncident
	if l == nil || !l.Retired || slices.Contains(r.Retired, l.ID) {
		return r, false
	}
	if told = append(told, r.Delivered.Incident); r.Due != nil {
		told = append(told, r.Due.Incident)
	}
	r.Retired = append(slices.Clone(r.Retired), l.ID)
	for i := 0; len(r.Retired) > mostRetired && i < len(r.Retired); {
		if slices.Contains(told, r.Retired[i]) {
			i++
			continue
		}
		r.Retired = slices.Delete(r.Retired, i, i+1)
	}
	return r, true
}

// isDue reports whether rec's open incident is one that the receiver neither was
// told of nor is known to be due. A replayed record of an earlier incident is
// recognised by its ordinal.
func (r Row) isDue(rec events.Record) bool {
	if rec.Incident == r.Delivered.Incident || r.replays(rec) {
		return false
	}
	return r.Due == nil || r.Due.Incident != rec.Incident
}

// replays reports whether rec's incident is before the one delivered last. Incidents
// are counted from one again when STATUS was created anew and the observations of
// the earlier ones are gone; one that opened later is new all the same.
func (r Row) replays(rec events.Record) bool {
	if rec.Incidents == 0 || rec.Incidents > r.Delivered.Incidents {
		return false
	}
	return r.Delivered.Opened.IsZero() || !openedAt(rec).After(r.Delivered.Opened)
}

// openedAt is when the open incident of rec began; its status may have changed
// since.
func openedAt(rec events.Record) time.Time {
	if rec.IncidentOpened != nil {
		return *rec.IncidentOpened
	}
	return rec.Since
}

func closedAt(rec events.Record, incident string) time.Time {
	if l := rec.LastIncident; l != nil && l.ID == incident {
		return l.Closed
	}
	return rec.Since
}

// delivered is the row after the receiver accepted a message about it.
func (r Row) delivered(m Member, d *Delivery, now time.Time) Row {
	t := LastDelivered{Incident: m.Incident, Open: m.Open, Incidents: m.Incidents, At: now}
	switch {
	case m.Incident == r.Delivered.Incident:
		t.Opened, t.Ended = r.Delivered.Opened, r.Delivered.Ended
	case r.Due != nil && m.Incident == r.Due.Incident:
		t.Opened, t.Ended = r.Due.Opened, r.Due.Closed
	default:
		t.Opened = r.Seen.At
	}
	if m.Open {
		t.Thread, t.Ref, t.Reminders = d.Thread, d.Ref, m.Ordinal
	}
	r.Delivered = t
	if r.Due != nil && r.Due.Incident == m.Incident {
		r.Due = nil
	}
	return r
}

// clamp pulls times that a clock set back has put into the future back to now,
// so that nothing waits longer than it was meant to.
func (r Row) clamp(now time.Time) Row {
	r.Seen.At = earlier(r.Seen.At, now)
	r.Delivered.At = earlier(r.Delivered.At, now)
	for i, c := range r.Changes {
		if c.After(now) {
			fixed := append([]time.Time(nil), r.Changes...)
			for ; i < len(fixed); i++ {
				fixed[i] = earlier(fixed[i], now)
			}
			r.Changes = fixed
			break
		}
	}
	return r
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
