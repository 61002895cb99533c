package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// errUnusable: an observation that no retry makes usable.
var errUnusable = errors.New("unusable observation")

// journal is what the recorder needs of the bus.
type journal interface { //nolint:interfacebloat // reading and writing of one stream, each with and without a condition
	Next(ctx context.Context, stream, filter string, from uint64, known bus.Message) (bus.Message, error)
	Last(ctx context.Context, stream, filter string) (bus.Message, error)
	Write(ctx context.Context, e event.Event, filter string, last uint64) (uint64, error)
	Rewrite(ctx context.Context, e event.Event, filter string, last uint64) (uint64, error)
}

// leases say which proxies serve a workload now.
type leases interface {
	instances(ctx context.Context, workload string) ([]string, error)
}

// recorder turns observations into records. It is level-triggered: a delivery
// says that its workload has something to do, and the recorder reads from the
// stream, in order, what it is. So nothing is lost when another replica, or this
// one before a restart, has handled a later observation first.
type recorder struct {
	bus     journal
	view    *view
	leases  leases
	log     *slog.Logger
	metrics *metrics
	trace   *trace.Tracer

	full func() // a record did not fit into the stream

	mu sync.Mutex
	// skipped remembers positions that changed nothing and are in no record.
	skipped map[string]events.Position
}

func newRecorder(b journal, v *view, l leases, log *slog.Logger, m *metrics, t *trace.Tracer) *recorder {
	return &recorder{bus: b, view: v, leases: l, log: log, metrics: m, trace: t, full: func() {}, skipped: make(map[string]events.Position)}
}

// maxConflicts is how often one delivery starts over because another replica wrote
// first. After that the consumer's back-off decides.
const maxConflicts = 16

// handle brings the record of m's workload up to m. When it returns nil m is
// part of the stored history, or changes nothing.
func (rc *recorder) handle(ctx context.Context, m bus.Message) error {
	if _, known := factOf(m.Event.Type()); !known {
		return nil // of a later version
	}
	workload := m.Event.Subject()
	v, ok := rc.view.get(workload)
	for range maxConflicts {
		var lost lostRecord
		var err error
		if !ok || v.sequence == 0 {
			if v, lost, err = rc.load(ctx, workload); err != nil {
				return err
			}
		}
		if lost.is {
			err = rc.rebuild(ctx, v, lost.record, m)
		} else {
			err = rc.catchUp(ctx, v, m)
		}
		if !errors.Is(err, bus.ErrConflict) {
			return err
		}
		rc.metrics.conflicts.Inc()
		ok = false
		m.Unbroken = 0 // what was handled here may be gone from the history
	}
	return fmt.Errorf("record %s: %w", workload, bus.ErrConflict)
}

// lostRecord says that the stream had a record and has it no more, and what this
// process knows of it; that may be nothing.
type lostRecord struct {
	is     bool
	record events.Record
}

// load reads the current record from the stream. A read may be behind what this
// process knows, and then what is known is used: positions in skipped are only
// valid together with the record that they were found with. A workload without a record has
// an empty one at sequence 0, which is what compare-and-set expects of it.
func (rc *recorder) load(ctx context.Context, workload string) (version, lostRecord, error) {
	empty := events.Record{Workload: workload}
	m, err := rc.bus.Last(ctx, bus.StreamStatus, statusOf(workload))
	if errors.Is(err, bus.ErrNotFound) {
		rc.forget(workload)
		known, ok := rc.view.lose(workload)
		return version{record: empty}, lostRecord{ok, known}, nil
	}
	if err != nil && !errors.Is(err, bus.ErrMalformed) {
		return version{}, lostRecord{}, fmt.Errorf("load %s: %w", workload, err)
	}
	v, err := versionOf(m)
	if err != nil {
		// Somebody else wrote there. The observations make the record anew.
		rc.log.Error("record is unreadable and is rebuilt", "workload", workload, "sequence", m.Sequence, "err", err)
		rc.forget(workload)
		known, _ := rc.view.lose(workload)
		return version{record: empty, sequence: m.Sequence, stream: m.Created}, lostRecord{true, known}, nil
	}
	if known, taken := rc.view.put(v); !taken {
		return known, lostRecord{}, nil
	}
	// A record that is marked is on the way to the one that was lost.
	return v, lostRecord{is: events.Rebuilt(m.Event)}, nil
}

// catchUp applies the workload's observations from v's position to m.
func (rc *recorder) catchUp(ctx context.Context, v version, m bus.Message) error {
	workload := m.Event.Subject()
	at := rc.position(workload, v.record)
	for follows(position(m), m.Stored, at) {
		next, err := rc.next(ctx, m, at)
		if err != nil {
			return err
		}
		v, err = rc.apply(ctx, v, next)
		if errors.Is(err, errUnusable) && next.Sequence != m.Sequence {
			err = nil // its own delivery says so
		}
		if err != nil {
			return err
		}
		p := position(next)
		at = &p
	}
	return nil
}

// next returns the workload's first message after a position, m at the latest.
func (rc *recorder) next(ctx context.Context, m bus.Message, at *events.Position) (bus.Message, error) {
	from := uint64(1)
	if at != nil && at.Stream.Equal(m.Created) {
		from = at.Sequence + 1
	}
	for {
		if from == m.Sequence || m.Unbroken > 0 && m.Unbroken <= from {
			return m, nil // what was between was delivered here, and handled before
		}
		next, err := rc.bus.Next(ctx, bus.StreamAuth, "auth.*."+m.Event.Subject(), from, m)
		switch {
		case errors.Is(err, bus.ErrNotFound):
			return m, nil
		case err != nil:
			return bus.Message{}, fmt.Errorf("catch up %s: %w", m.Event.Subject(), err)
		case next.Sequence >= m.Sequence:
			return m, nil
		case follows(position(next), next.Stored, at):
			return next, nil
		}
		from = next.Sequence + 1 // of a copy of the stream, and handled there
	}
}

// step returns the record after one message.
func (rc *recorder) step(ctx context.Context, r events.Record, m bus.Message) (after events.Record, o Observation, changed bool, err error) {
	if o, err = observe(m); err != nil {
		return r, o, false, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if doubtful(r, o) {
		if o.Repeated, err = rc.storedBefore(ctx, m); err != nil {
			return r, o, false, err
		}
	}
	if o.Type == events.TypeRetired {
		if o.ServedElsewhere, err = rc.servedElsewhere(ctx, r, o); err != nil {
			return r, o, false, err
		}
	}
	after, changed = Apply(r, o)
	return after, o, changed, nil
}

// apply stores the record after one message.
func (rc *recorder) apply(ctx context.Context, v version, m bus.Message) (version, error) {
	began := time.Now()
	after, o, changed, err := rc.step(ctx, v.record, m)
	if err != nil {
		return v, err
	}
	if !changed {
		rc.skip(m)
		return v, nil
	}
	e, err := statusEvent(v.record, after, o)
	if err != nil {
		return v, fmt.Errorf("%w: its record: %w", errUnusable, err)
	}
	sequence, err := rc.bus.Write(ctx, e, statusOf(after.Workload), v.sequence)
	switch {
	case errors.Is(err, events.ErrTooLarge):
		return v, fmt.Errorf("%w: its record: %w", errUnusable, err)
	case err != nil:
		if errors.Is(err, bus.ErrFull) {
			rc.full()
		}
		return v, fmt.Errorf("record %s: %w", after.Workload, err)
	}
	before := v.record
	v = version{record: after, sequence: sequence, stream: v.stream}
	rc.view.put(v)
	rc.forget(after.Workload)
	if transition(before, after) {
		rc.metrics.transitions.WithLabelValues(string(after.Status)).Inc()
		rc.log.Info("status changed", "workload", after.Workload, "status", after.Status,
			"previous", after.Previous, "reason", after.Reason, "incident", after.Incident)
		rc.trace.Record(spanOf(o, after, began, time.Now()))
	}
	return v, nil
}

// servedElsewhere reports whether another proxy than the source serves the
// workload. The lease of one that retired it too may not have followed yet.
func (rc *recorder) servedElsewhere(ctx context.Context, r events.Record, o Observation) (bool, error) {
	instances, err := rc.leases.instances(ctx, o.Data.Workload)
	for _, instance := range instances {
		source := proxySource + instance
		if said, ok := observer(r, source); source != o.Source && (!ok || said.Type != events.TypeRetired) {
			return true, nil
		}
	}
	return false, err
}

// storedBefore searches the stream for the same event at an earlier position.
func (rc *recorder) storedBefore(ctx context.Context, m bus.Message) (bool, error) {
	for from := uint64(1); from < m.Sequence; {
		earlier, err := rc.bus.Next(ctx, bus.StreamAuth, m.Subject, from, m)
		if errors.Is(err, bus.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for %s: %w", m.Event.ID(), err)
		}
		if earlier.Sequence >= m.Sequence {
			return false, nil
		}
		if earlier.Event.ID() == m.Event.ID() && earlier.Event.Source() == m.Event.Source() {
			return true, nil
		}
		from = earlier.Sequence + 1
	}
	return false, nil
}

// position is how far the workload's observations are handled.
func (rc *recorder) position(workload string, r events.Record) *events.Position {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if p, ok := rc.skipped[workload]; ok && follows(p, p.Stream, r.Observed) {
		return &p
	}
	return r.Observed
}

func (rc *recorder) skip(m bus.Message) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.skipped[m.Event.Subject()] = position(m)
}

func (rc *recorder) forget(workload string) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	delete(rc.skipped, workload)
}
