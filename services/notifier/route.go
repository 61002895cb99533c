package notifier

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// matches reports whether m selects rec.
func (m Match) matches(rec events.Record) bool {
	if !glob(m.Workload, rec.Workload) {
		return false
	}
	status, reason := trouble(rec)
	if len(m.Status) > 0 && !slices.Contains(m.Status, string(status)) {
		return false
	}
	if len(m.Reason) > 0 && !slices.Contains(m.Reason, reason) {
		return false
	}
	for key, want := range m.Labels {
		if value, ok := rec.Labels[key]; !ok || !glob(want, value) {
			return false
		}
	}
	return true
}

// trouble is the bad status and the reason that a record is about: its own, or
// while it is not bad, that of its incident. So a workload whose new token waits
// for its first verdict, and one that recovered, stay with their route.
func trouble(rec events.Record) (events.Status, string) {
	reason := rec.Reason
	switch {
	case rec.Status.Bad():
		return rec.Status, reason
	case rec.Incident == "" && rec.LastIncident != nil:
		reason = rec.LastIncident.Reason
	case rec.Incident == "":
		return rec.Status, reason
	}
	switch reason {
	case events.ProblemNotFound, events.ProblemEmpty, events.ProblemMalformed,
		events.ProblemUnread, events.ProblemRefused, events.ProblemFailed:
		return events.StatusMissing, reason
	}
	return events.StatusUnauthenticated, reason
}

// all reports whether m matches every record.
func (m Match) all() bool { return m.covers(Match{}) }

// covers reports whether m matches everything that other does, as far as that can
// be read from the patterns: of two with wildcards only equal ones are compared.
func (m Match) covers(other Match) bool {
	pattern := func(wide, narrow string) bool {
		return wide == "" || wide == "*" || wide == narrow || !strings.ContainsAny(narrow, `*?[\`) && narrow != "" && glob(wide, narrow)
	}
	list := func(wide, narrow []string) bool {
		return len(wide) == 0 || len(narrow) > 0 && !slices.ContainsFunc(narrow, func(s string) bool { return !slices.Contains(wide, s) })
	}
	for key, wide := range m.Labels {
		if narrow, ok := other.Labels[key]; !ok || !pattern(wide, narrow) {
			return false
		}
	}
	return pattern(m.Workload, other.Workload) && list(m.Status, other.Status) && list(m.Reason, other.Reason)
}

func glob(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, _ := path.Match(pattern, name) // Validate has seen to a bad pattern
	return ok
}

// recipient is a receiver that a route selects.
type recipient struct {
	Receiver string
	Policy   plan.Policy
}

// recipients are the receivers that the routes select for a record, in the order
// of the routes.
func (c *Config) recipients(rec events.Record) []recipient {
	var all []recipient
	for i, r := range c.Routes {
		if !r.Match.matches(rec) {
			continue
		}
		for _, name := range r.Receivers {
			if !slices.ContainsFunc(all, func(t recipient) bool { return t.Receiver == name }) {
				all = append(all, recipient{name, r.policy(i, rec)})
			}
		}
		if !r.Continue {
			break
		}
	}
	return all
}

func (r Route) policy(i int, rec events.Record) plan.Policy {
	p := plan.Policy{
		Routed: true,
		Wait:   r.groupWait(),
		Repeat: or(r.RepeatInterval, defaultRepeatInterval),
	}
	if r.groups() {
		p.Gather = or(r.GroupInterval, defaultGroupInterval)
		if c := rec.Credential; c != nil && c.Fingerprint != "" {
			p.Group = strconv.Itoa(i) + "/" + c.Fingerprint
		}
	}
	return p
}
