package notifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// recallMost is how many transitions of a workload are looked at: enough to see
// that it flaps.
const recallMost = 12

// recall reads how often workloads that changed lately did so: a restart must not
// make a workload that flaps look calm.
func (n *session) recall(ctx context.Context) error {
	since := n.clock.Now().Add(-plan.Window)
	for name, k := range n.records {
		if k.Since.Before(since) || !n.known(name) {
			continue
		}
		history, err := n.bus.History(ctx, bus.StreamStatus, events.Subject(events.TypeStatusChanged, name), recallMost)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return fmt.Errorf("read the history of %s: %w", name, err)
		}
		at := changes(history, since)
		for _, w := range n.workers {
			w.mu.Lock()
			w.lane.Recall(name, at)
			w.mu.Unlock()
		}
	}
	return nil
}

// known reports whether a receiver has been told of a workload, or is about to.
func (n *session) known(name string) bool {
	for _, w := range n.workers {
		w.mu.Lock()
		knows := w.lane.Knows(name)
		w.mu.Unlock()
		if knows {
			return true
		}
	}
	return false
}

// changes are the times since then at which incidents opened or closed, earliest
// first. History is newest first.
func changes(history []bus.Message, since time.Time) []time.Time {
	var at []time.Time
	incident := ""
	for i, m := range slices.Backward(history) {
		rec, err := events.ParseStatus(m.Event)
		if err != nil {
			continue
		}
		first := i == len(history)-1
		if !rec.Since.Before(since) && (rec.Incident != incident || first && rec.Incident == "" && rec.LastIncident != nil) {
			at = append(at, rec.Since)
		}
		incident = rec.Incident
	}
	return at
}
