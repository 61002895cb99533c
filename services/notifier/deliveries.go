package notifier

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Delivery is a message that a receiver has not taken yet.
type Delivery struct {
	Receiver  string     `json:"receiver"`
	ID        string     `json:"id,omitempty"` // empty before the first attempt
	Kind      string     `json:"kind"`
	Workloads []string   `json:"workloads"`
	State     string     `json:"state"` // waiting, failed, off
	Created   time.Time  `json:"created"`
	Attempts  int        `json:"attempts"`
	Next      *time.Time `json:"next,omitempty"` // the next attempt
	Status    int        `json:"status,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// The states of a Delivery. A failed one is a dead letter: it is attempted again
// every 15 minutes, or by [Replay]. Off: its receiver said that it is gone.
const (
	StateWaiting = "waiting"
	StateFailed  = "failed"
	StateOff     = "off"
)

// Deliveries lists what receivers have not taken yet, the oldest first.
func Deliveries(ctx context.Context, b *bus.Bus) ([]Delivery, error) {
	entries, err := snapshot(ctx, b.Bucket(bus.BucketDeliveries), ">")
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	conditions := map[string]condition{}
	var all []Delivery
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Key, keyReceiver); ok {
			var c condition
			_ = json.Unmarshal(e.Value, &c) // unknown is no condition
			conditions[name] = c
		}
	}
	for _, e := range entries {
		receiver, workload, ok := parseRowKey(e.Key)
		var row plan.Row
		if !ok || json.Unmarshal(e.Value, &row) != nil {
			continue
		}
		if d, ok := describe(receiver, workload, row, conditions[receiver]); ok {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Delivery) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Receiver, b.Receiver), slices.Compare(a.Workloads, b.Workloads))
	})
	return all, nil
}

func describe(receiver, workload string, row plan.Row, c condition) (Delivery, bool) {
	d := Delivery{Receiver: receiver, State: StateWaiting}
	switch p := row.Pending; {
	case p != nil:
		d.ID, d.Kind, d.Created, d.Attempts = p.ID, p.Kind, p.Created, p.Attempts
		d.Status, d.Error = p.Status, p.Error
		for _, m := range p.Members {
			d.Workloads = append(d.Workloads, m.Workload)
		}
		next := p.Next()
		d.Next = &next
		if p.Failed {
			d.State = StateFailed
		}
	case row.Owed != nil && row.Owed.Incident != row.Told.Incident:
		d.Kind, d.Created, d.Workloads = "owed", row.Owed.Opened, []string{workload}
		d.Error = c.Error
	default:
		return Delivery{}, false
	}
	if c.State == plan.Off {
		d.State, d.Next = StateOff, nil
	}
	return d, true
}
