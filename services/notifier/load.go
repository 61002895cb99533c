package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// forgetAfter is how long the row of a finished incident is kept.
const forgetAfter = 7 * 24 * time.Hour

// load reads the rows of every receiver. Those of receivers that are not
// configured any more are removed: a name that comes back starts anew.
func (n *session) load(ctx context.Context) error {
	entries, err := snapshot(ctx, n.bus.Bucket(bus.BucketDeliveries), ">")
	if err != nil {
		return fmt.Errorf("read the deliveries: %w", err)
	}
	now := n.clock.Now()
	for _, e := range entries {
		n.store.revisions.set(e.Key, e.Revision)
		keep := true
		if receiver, workload, ok := parseRowKey(e.Key); ok {
			w := n.workers[receiver]
			keep = w != nil && w.load(workload, e.Value, now)
		} else if name, ok := strings.CutPrefix(e.Key, keyReceiver); ok {
			var c condition
			w := n.workers[name]
			if keep = w != nil && json.Unmarshal(e.Value, &c) == nil; keep {
				w.restore(c)
			}
		} else if e.Key == keyCursor {
			keep = json.Unmarshal(e.Value, &n.saved) == nil
		}
		if !keep {
			if err := n.store.remove(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// load takes in a stored row, and reports whether it is worth keeping.
func (w *worker) load(workload string, value []byte, now time.Time) bool {
	var row plan.Row
	if err := json.Unmarshal(value, &row); err != nil {
		w.log.Error("a row is not understood, its receiver may be told again",
			"receiver", w.config.Name, "workload", workload, "err", err)
		return false
	}
	if !row.Told.Open && row.Owed == nil && row.Pending == nil && now.Sub(row.Told.At) > forgetAfter {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if row.Told.At.After(w.proof) {
		w.proof = row.Told.At
	}
	w.lane.Load(workload, row)
	return true
}

// snapshot is everything that a bucket holds now; never a part of it.
func snapshot(ctx context.Context, b *bus.Bucket, filter string) ([]bus.Entry, error) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	var entries []bus.Entry
	complete := false
	err := b.Watch(watch, filter, func(e bus.Entry) {
		if !complete && !e.Deleted {
			entries = append(entries, e)
		}
	}, bus.OnCurrent(func() { complete = true; cancel() }))
	switch {
	case complete:
		return entries, nil
	case err == nil:
		err = fmt.Errorf("%w: %w", bus.ErrUnavailable, context.Cause(ctx))
	}
	return nil, err
}
