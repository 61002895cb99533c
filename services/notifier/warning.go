package notifier

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// A warning says that a credential will expire. Like a self alert it is a record of
// something that is not the workload itself: its incident is one credential value, and
// lasts until another is loaded. So rows, attempts and its end need no code of their own.
const warningPrefix = "expiring/" // no workload has a name with a slash

// warnSteps are how long before its end a credential is announced, as the proxies do.
var warnSteps = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, 5 * time.Minute}

// warnSlack is how far the clocks of proxy and notifier may be apart at a step.
const warnSlack = time.Minute

func (r Route) warns() bool { return slices.Contains(r.Match.Status, string(events.StatusExpiring)) }

// warnBefore is the first step that the route tells.
func (r Route) warnBefore() time.Duration { return or(r.WarnBefore, warnSteps[0]) }

// warning is the record of what expires about rec's workload: the same for one value of
// the credential, whatever happens to the workload meanwhile.
func warning(rec events.Record) events.Record {
	w := rec
	w.Workload = warningPrefix + rec.Workload
	w.Incident, w.IncidentOpened, w.LastIncident, w.Incidents, w.Acknowledged = "", nil, nil, 0, nil
	c := rec.Credential
	if rec.Status == events.StatusRetired || c == nil || c.Fingerprint == "" || c.ExpiresAt == nil {
		return w
	}
	w.Incident = events.DeriveID(rec.Workload, "expiring", c.Fingerprint)
	if rec.Status != events.StatusExpiring {
		w.Previous, w.Status, w.Reason = rec.Status, events.StatusExpiring, events.ReasonExpiresSoon
		w.Message = rec.Workload + ": " + advice.Case{Status: w.Status, Source: events.ParseSource(c.Source), Expires: c.ExpiresAt}.Text()
	}
	return w
}

// warned are the receivers that a route warns of rec's credential now. The policy says
// at which of the later steps the warning is repeated.
func (c *Config) warned(rec events.Record, now time.Time) []recipient {
	if rec.Status != events.StatusExpiring || rec.Credential == nil || rec.Credential.ExpiresAt == nil {
		return nil
	}
	end := *rec.Credential.ExpiresAt
	rec.Incident, rec.LastIncident = "", nil // matched by what it is now
	var all []recipient
	for _, r := range c.Routes {
		if !r.warns() || !r.Match.Matches(rec) {
			continue
		}
		p := plan.Policy{Routed: end.Sub(now) <= r.warnBefore()+warnSlack}
		for _, step := range warnSteps {
			if step < r.warnBefore() {
				p.Steps = append(p.Steps, end.Add(-step))
			}
		}
		for _, name := range r.Receivers {
			all = append(all, recipient{name, p})
		}
		if !r.Continue {
			break
		}
	}
	return all
}

// warn shows the warning about a record to the queues. The caller holds the lock.
func (d *dispatcher) warn(o observed) {
	if !slices.ContainsFunc(d.config.Routes, Route.warns) {
		return
	}
	w := warning(o.Record)
	policies, notes := map[string]plan.Policy{}, map[string]string{}
	for _, r := range d.config.warned(o.Record, d.clock.Now()) {
		d.choose(r, w.Workload, policies, notes)
	}
	silenced, _ := d.silences.For(o.Record, d.clock.Now())
	for name, q := range d.queues {
		p := policies[name]
		p.Warning, p.SendResolved, p.SilencedUntil = true, q.config.WantsResolved(), silenced.Until
		q.observe(w, 0, p, notes[name])
	}
}

// keepWarning looks again every minute: the step of a route may pass without an event.
func (d *dispatcher) keepWarning(ctx context.Context) error {
	if !slices.ContainsFunc(d.config.Routes, Route.warns) {
		return nil
	}
	for {
		select {
		case <-d.clock.After(time.Minute):
		case <-ctx.Done():
			return nil
		}
		d.mu.Lock()
		for _, o := range d.records {
			if o.Status == events.StatusExpiring {
				d.warn(o)
			}
		}
		d.mu.Unlock()
	}
}

func isWarning(d *plan.Delivery) bool {
	return strings.HasPrefix(d.Members[0].Workload, warningPrefix)
}

// warningsAs gives the records of warnings the names of their workloads back, and marks
// those that are over.
func warningsAs(records []events.Record) {
	for i := range records {
		r := &records[i]
		name, ok := strings.CutPrefix(r.Workload, warningPrefix)
		if !ok {
			continue
		}
		r.Workload = name
		if l := r.LastIncident; r.Incident == "" && l != nil {
			over := *l
			over.Reason = events.ReasonExpiresSoon
			over.Retired = r.Status == events.StatusRetired
			r.LastIncident = &over
		}
	}
}
