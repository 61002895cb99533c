package notifier

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// all reports whether m matches every record.
func all(m events.Match) bool { return covers(m, events.Match{}) }

// covers reports whether m matches everything that other does, as far as that can
// be read from the patterns: of two with wildcards only equal ones are compared.
func covers(m, other events.Match) bool {
	pattern := func(wide, narrow string) bool {
		return wide == "" || wide == "*" || wide == narrow || !strings.ContainsAny(narrow, `*?[\`) && narrow != "" && events.Glob(wide, narrow)
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
		if !r.Match.Matches(rec) {
			continue
		}
		add := func(names []string, after time.Duration) {
			for _, name := range names {
				if !slices.ContainsFunc(all, func(t recipient) bool { return t.Receiver == name }) {
					p := r.policy(i, rec)
					p.After = after
					all = append(all, recipient{name, p})
				}
			}
		}
		add(r.Receivers, 0)
		for _, step := range r.Escalate {
			add(step.Receivers, step.After.Std())
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
		p.Group = r.group(i, rec)
	}
	return p
}

// group names the group of a record in the i-th route. Without a credential there
// is none where the credential is part of it; a label that is absent is a value.
func (r Route) group(i int, rec events.Record) string {
	parts := []string{strconv.Itoa(i)}
	for _, by := range r.GroupBy {
		if by != groupByCredential {
			parts = append(parts, strconv.Quote(rec.Labels[by]))
			continue
		}
		if rec.Credential == nil || rec.Credential.Fingerprint == "" {
			return ""
		}
		parts = append(parts, rec.Credential.Fingerprint)
	}
	return strings.Join(parts, "/")
}
