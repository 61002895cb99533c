package notifier

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/silence"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Pending is a message that a receiver has not accepted yet.
type Pending struct {
	Receiver  string     `json:"receiver"`
	ID        string     `json:"id,omitempty"` // empty before the first attempt
	Kind      string     `json:"kind"`
	Workloads []string   `json:"workloads"`
	State     string     `json:"state"` // waiting, silenced, failed, off
	Created   time.Time  `json:"created"`
	Attempts  int        `json:"attempts"`
	Next      *time.Time `json:"next,omitempty"` // the next attempt
	Status    int        `json:"status,omitempty"`
	Error     string     `json:"error,omitempty"`
	// Silenced is what holds it back, where State is StateSilenced.
	Silenced *events.Silence `json:"silenced,omitempty"`
}

// The states of a Pending. A failed one is attempted again every 15 minutes, or by
// [Replay]. Off: its receiver answered that it is gone.
const (
	StateWaiting  = "waiting"
	StateSilenced = "silenced"
	StateFailed   = "failed"
	StateOff      = "off"
)

// ListPending returns what receivers have not accepted yet, the oldest first.
func ListPending(ctx context.Context, b *bus.Bus) ([]Pending, error) {
	entries, err := b.Bucket(bus.BucketDeliveries).Entries(ctx, ">")
	if err != nil {
		return nil, fmt.Errorf("read the deliveries: %w", err)
	}
	health := map[string]receiverHealth{}
	var all []Pending
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Key, keyReceiver); ok {
			var h receiverHealth
			_ = json.Unmarshal(e.Value, &h) // else it is not known
			health[name] = h
		}
	}
	for _, e := range entries {
		receiver, workload, ok := parseRowKey(e.Key)
		var row plan.Row
		if !ok || json.Unmarshal(e.Value, &row) != nil {
			continue
		}
		if d, ok := describe(receiver, workload, row, health[receiver]); ok {
			all = append(all, d)
		}
	}
	if err := markSilenced(ctx, b, all); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Pending) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Receiver, b.Receiver), slices.Compare(a.Workloads, b.Workloads))
	})
	return all, nil
}

// markSilenced says of what was never attempted whether a silence is why.
func markSilenced(ctx context.Context, b *bus.Bus, all []Pending) error {
	var book silence.Book
	entries, err := b.Bucket(bus.BucketSilences).Entries(ctx, ">")
	if err != nil {
		return fmt.Errorf("read silences: %w", err)
	}
	for _, e := range entries {
		book.Take(e)
	}
	for i := range all {
		if p := &all[i]; p.ID == "" && p.State == StateWaiting && len(entries) > 0 {
			m, err := b.Last(ctx, bus.StreamStatus, "status.*."+p.Workloads[0])
			if errors.Is(err, bus.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read the record of %s: %w", p.Workloads[0], err)
			}
			rec, err := events.ParseStatus(m.Event)
			if s, ok := book.For(rec, time.Now()); ok && err == nil {
				p.State, p.Silenced = StateSilenced, &s
			}
		}
	}
	return nil
}

func describe(receiver, workload string, row plan.Row, h receiverHealth) (Pending, bool) {
	d := Pending{Receiver: receiver, State: StateWaiting}
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
	case row.Due != nil && row.Due.Incident != row.Delivered.Incident:
		d.Kind, d.Created, d.Workloads = "due", row.Due.Opened, []string{workload}
		d.Error = h.Error
	default:
		return Pending{}, false
	}
	if h.Health == plan.Off {
		d.State, d.Next = StateOff, nil
	}
	return d, true
}
