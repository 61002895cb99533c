package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/presence"
)

// person is the source of what somebody said with a command.
const person = "urn:authwatch:person"

// What a person says about a workload can be refused.
var (
	errUnknown = errors.New("nothing is recorded of it; `authwatch list` shows the workloads")
	errServed  = errors.New("it is served: take it out of that configuration, and it is retired by itself")
	errRetired = errors.New("it is retired already")
	errNotOpen = errors.New("it has no open incident")
)

// Word is what a person says about a workload.
type Word struct {
	Workload string
	By       string
	Note     string
	Until    time.Time // of an acknowledgement; zero: until the incident closes
}

// Forget retires a workload that no proxy serves, and returns when that is recorded.
func Forget(ctx context.Context, b *bus.Bus, w Word) error {
	r, err := recordOf(ctx, b, w.Workload)
	if err != nil {
		return err
	}
	by, err := serving(ctx, b, w.Workload)
	switch {
	case err != nil:
		return err
	case len(by) > 0:
		return fmt.Errorf("forget %s: %w (%s)", w.Workload, errServed, strings.Join(by, ", "))
	case r.Status == events.StatusRetired:
		return fmt.Errorf("forget %s: %w", w.Workload, errRetired)
	}
	o := events.Observation{Workload: w.Workload, By: w.By, Note: w.Note}
	return say(ctx, b, events.TypeRetired, o, func(r events.Record) bool { return r.Status == events.StatusRetired })
}

// Acknowledge says that a person takes care of the open incident, and returns when
// that is recorded.
func Acknowledge(ctx context.Context, b *bus.Bus, w Word) error {
	before, err := recordOf(ctx, b, w.Workload)
	if err != nil {
		return err
	}
	if before.Incident == "" {
		return fmt.Errorf("acknowledge %s: %w", w.Workload, errNotOpen)
	}
	o := events.Observation{Workload: w.Workload, By: w.By, Note: w.Note, Incident: before.Incident}
	if !w.Until.IsZero() {
		end := w.Until.UTC()
		o.Until = &end
	}
	return say(ctx, b, events.TypeAcknowledged, o, func(r events.Record) bool {
		old, now := before.Acknowledged, r.Acknowledged
		return r.Incident != before.Incident || now != nil && (old == nil || now.At.After(old.At))
	})
}

// recordOf is the record of a workload.
func recordOf(ctx context.Context, b *bus.Bus, workload string) (events.Record, error) {
	if err := events.ValidWorkload(workload); err != nil {
		return events.Record{}, err
	}
	m, err := b.Last(ctx, bus.StreamStatus, statusOf(workload))
	if errors.Is(err, bus.ErrNotFound) {
		return events.Record{}, fmt.Errorf("%s: %w", workload, errUnknown)
	}
	if err != nil {
		return events.Record{}, fmt.Errorf("read the record of %s: %w", workload, err)
	}
	return events.ParseStatus(m.Event)
}

// serving are the proxies that hold a lease on a workload.
func serving(ctx context.Context, b *bus.Bus, workload string) ([]string, error) {
	entries, err := b.Bucket(bus.BucketLeases).Entries(ctx, presence.Keys)
	if err != nil {
		return nil, fmt.Errorf("read the leases of the proxies: %w", err)
	}
	var all []string
	for _, e := range entries {
		l, err := presence.Parse(e.Value)
		if _, serves := l.Workloads[workload]; err == nil && serves {
			all = append(all, l.Instance)
		}
	}
	slices.Sort(all)
	return all, nil
}

// say publishes what a person says, and waits until it is recorded.
func say(ctx context.Context, b *bus.Bus, typ string, o events.Observation, done func(events.Record) bool) error {
	e, err := events.New(typ, person, o.Workload, time.Now(), o)
	if err != nil {
		return err
	}
	retry := clock.Backoff{First: 50 * time.Millisecond, Most: time.Second}
	for err = b.Publish(ctx, e); err != nil; err = b.Publish(ctx, e) {
		if !errors.Is(err, bus.ErrUnavailable) || !retry.Sleep(ctx) {
			return err
		}
	}
	for retry.Reset(); ; {
		if r, err := recordOf(ctx, b, o.Workload); err == nil && done(r) {
			return nil
		}
		if !retry.Sleep(ctx) {
			return fmt.Errorf("%s is published, and no status service has recorded it yet: %w", typ, context.Cause(ctx))
		}
	}
}
