package notifier

import (
	"context"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

// turned follows from a receiver that can no longer be told, or can be again:
// its condition is kept, and who is told instead is decided anew.
func (w *worker) turned(ctx context.Context, d *plan.Delivery, e effect) error {
	if e.turned {
		w.mu.Lock()
		c := condition{State: e.state, Since: w.clock.Now(), Error: w.why, Config: w.hash}
		w.mu.Unlock()
		if err := w.store.put(ctx, keyReceiver+w.config.Name, c); err != nil {
			return err
		}
		w.report(c)
	}
	w.reroute()
	if e.failed {
		w.handOver(d)
	}
	return nil
}

// report says in the log and to other receivers that a receiver changed.
func (w *worker) report(c condition) {
	if c.State == plan.Up {
		w.log.Info("receiver can be told again", "receiver", w.config.Name)
	} else {
		w.log.Error("receiver cannot be told", "receiver", w.config.Name, "state", c.State, "err", c.Error)
	}
	w.session.mu.Lock()
	defer w.session.mu.Unlock()
	w.conditions[w.config.Name] = c
	w.announce(w.config.Name, c)
}

// handOver makes the fallback tell of incidents that are over: a route does not
// select those.
func (w *worker) handOver(d *plan.Delivery) {
	f := w.workers[w.config.Fallback]
	if _, own := strings.CutPrefix(d.Members[0].Workload, noticePrefix); f == nil || own || d.Members[0].Open {
		return
	}
	w.mu.Lock()
	records, why := w.lane.Records(d), w.why
	w.mu.Unlock()
	now := f.clock.Now()
	f.mu.Lock()
	for i, rec := range records {
		o := plan.Owed{Incident: d.Members[i].Incident, Incidents: d.Members[i].Incidents}
		if l := rec.LastIncident; l != nil && l.ID == o.Incident {
			o.Opened, o.Closed, o.Reason = l.Opened, l.Closed, l.Reason
		}
		f.notes[rec.Workload] = standIn(w.config.Name, why)
		f.lane.Owe(rec, o, plan.Policy{SendResolved: f.config.WantsResolved()}, now)
	}
	f.mu.Unlock()
	f.ring()
}

func standIn(name, why string) string {
	return "You are told because \"" + name + "\" could not be: " + why
}

// restore takes up what is stored of a receiver's condition. What was refused
// with another configuration is tried again.
func (w *worker) restore(c condition) {
	if c.Config != w.hash {
		c.State = plan.Up
	}
	w.conditions[w.config.Name] = c
	w.mu.Lock()
	defer w.mu.Unlock()
	w.why = c.Error
	w.lane.Restore(c.State, c.Since)
}

// status is a receiver at a glance.
type status struct {
	state  plan.State
	proof  time.Time
	oldest time.Duration // how long the oldest message is due; 0: none
}

func (w *worker) status(now time.Time) status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := status{state: w.lane.State(), proof: w.proof}
	if since, ok := w.lane.Oldest(now); ok {
		s.oldest = max(now.Sub(since), 0)
	}
	return s
}
