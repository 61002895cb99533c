package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// rebuild makes a record that is gone from the stream again, with its history, from
// the observations up to m. Those may be too old to be all there: once they reach
// what this process knows, that counts. All events but the last are marked as
// rebuilt, because they were told when they were new.
func (rc *recorder) rebuild(ctx context.Context, v version, known events.Record, m bus.Message) error {
	rc.log.Warn("record is gone from the stream and is rebuilt", "workload", m.Event.Subject())
	steps, r, err := rc.replay(ctx, v.record, known, m)
	if err != nil {
		return err
	}
	for i, e := range steps {
		if i < len(steps)-1 {
			events.SetRebuilt(&e)
		}
		if v.sequence, err = rc.bus.Rewrite(ctx, e, statusOf(r.Workload), v.sequence); err != nil {
			return fmt.Errorf("rebuild %s: %w", r.Workload, err)
		}
	}
	if len(steps) == 0 {
		rc.skip(m)
		return nil
	}
	rc.view.put(version{record: r, sequence: v.sequence, stream: v.stream})
	rc.forget(r.Workload)
	return nil
}

// replay returns the events that lead to the record after m, and that record.
func (rc *recorder) replay(ctx context.Context, r, known events.Record, m bus.Message) (steps []event.Event, _ events.Record, err error) {
	remember := func() error {
		if known.Observed == nil {
			return nil
		}
		before := r
		if r.Observed != nil && *r.Observed == *known.Observed {
			steps = steps[:len(steps)-1] // the same moment
			before.Status = known.Previous
		}
		e, err := statusEvent(before, known, Observation{Position: *known.Observed, Stored: known.Since})
		steps, r, known = append(steps, e), known, events.Record{}
		return err
	}
	m.Unbroken = 0 // what was handled here is gone from the history
	at := r.Observed
	for follows(position(m), m.Stored, at) {
		next, err := rc.next(ctx, m, at)
		if err != nil {
			return nil, r, err
		}
		p := position(next)
		if at = &p; known.Observed != nil && follows(p, next.Stored, known.Observed) {
			if err := remember(); err != nil {
				return nil, r, err
			}
		}
		after, o, changed, err := rc.step(ctx, r, next)
		switch {
		case errors.Is(err, errUnusable) && next.Sequence != m.Sequence:
			continue
		case err != nil:
			return nil, r, err
		case !changed:
			continue
		}
		e, err := statusEvent(r, after, o)
		if err != nil {
			return nil, r, fmt.Errorf("%w: its record: %w", errUnusable, err)
		}
		steps, r = append(steps, e), after
	}
	return steps, r, remember()
}

// restore writes what this process knows of a workload whose record is gone, and
// whose observations are too.
func (rc *recorder) restore(ctx context.Context, workload string) error {
	v, lost, err := rc.load(ctx, workload)
	if err != nil || !lost.is || lost.record.Observed == nil {
		return err
	}
	e, err := statusEvent(v.record, lost.record, Observation{Position: *lost.record.Observed, Stored: lost.record.Since})
	if err != nil {
		return err
	}
	if v.sequence, err = rc.bus.Rewrite(ctx, e, statusOf(workload), v.sequence); err != nil {
		return fmt.Errorf("restore %s: %w", workload, err)
	}
	rc.view.put(version{record: lost.record, sequence: v.sequence})
	return nil
}

// rebuildMissing rebuilds the records that do not reflect an observation which was
// handled once: STATUS was deleted or purged, or its files were damaged. The other
// observations are still to be delivered.
func (s *Service) rebuildMissing(ctx context.Context) error {
	handled, err := s.bus.Handled(ctx, bus.StreamAuth, bus.DurableStatus)
	if err != nil {
		return err
	}
	newest := map[string]bus.Message{}
	err = s.bus.Each(ctx, bus.StreamAuth, "auth.*.*", 1, true, func(m bus.Message) error {
		if _, known := factOf(m.Event.Type()); known && m.Sequence <= handled {
			newest[m.Event.Subject()] = m // in the order of the stream
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range newest {
		v, ok := s.view.get(m.Event.Subject())
		if ok && v.sequence > 0 && !follows(position(m), m.Stored, v.record.Observed) {
			continue
		}
		s.view.expect(m.Event.Subject())
		if err := s.recorder.handle(ctx, m); err != nil && !errors.Is(err, errUnusable) {
			return err
		}
	}
	for _, workload := range slices.Sorted(slices.Values(s.view.lost())) {
		if err := s.recorder.restore(ctx, workload); err != nil {
			return err
		}
	}
	return nil
}

// rebuildAfterResets rebuilds what is missing now, calls complete, and does it again
// whenever what STATUS held is gone. Who follows the stream before it is complete
// takes an older record for the one that is missing.
func (s *Service) rebuildAfterResets(ctx context.Context, complete func()) error {
	complete = sync.OnceFunc(complete)
	gone := make(chan struct{}, 1)
	stop := s.bus.OnReset(bus.StreamStatus, func() {
		select {
		case gone <- struct{}{}:
		default:
		}
	})
	defer stop()
	for {
		if !s.retry.until(ctx, "rebuild records", s.rebuildMissing) {
			return nil
		}
		complete()
		select {
		case <-ctx.Done():
			return nil
		case <-gone:
			s.view.loseAll()
		}
	}
}
