package status

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// errAmbiguous is what a caller sees of a write that was stored, or was not.
var errAmbiguous = errors.New("timeout")

// tape is the two streams in memory, with the faults of a broker: answers that
// get lost, and reads that are behind. Before every call it may let somebody else
// act, which is all the concurrency that replicas have.
type tape struct {
	now    time.Time
	auth   []bus.Message
	status []bus.Message
	ids    map[string]time.Time // when status events were stored, by id

	meanwhile func()
	lost      func() bool // the next write's answer is lost
	refused   func() bool // the next write fails
	behind    func() int  // how many messages a read is behind
}

func newTape(now time.Time) *tape {
	return &tape{
		now: now, ids: make(map[string]time.Time),
		meanwhile: func() {}, lost: never, refused: never, behind: func() int { return 0 },
	}
}

func never() bool { return false }

func (tp *tape) observe(e event.Event) {
	tp.auth = append(tp.auth, bus.Message{
		Event: e, Subject: e.Type() + "." + e.Subject(), Sequence: uint64(len(tp.auth) + 1),
		Stored: tp.now, Created: stream,
	})
}

// on reports whether a subject matches a filter whose second token may be a star.
func on(subject, filter string) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	return want[0] == have[0] && (want[1] == "*" || want[1] == have[1]) && want[2] == have[2]
}

func (tp *tape) Next(_ context.Context, _, filter string, from uint64, known bus.Message) (bus.Message, error) {
	tp.meanwhile()
	there := tp.auth[:max(0, len(tp.auth)-tp.behind())]
	for _, m := range there[min(int(from)-1, len(there)):] {
		if on(m.Subject, filter) {
			return m, nil
		}
	}
	if known.Sequence > uint64(len(there)) {
		return bus.Message{}, bus.ErrUnavailable
	}
	return bus.Message{}, bus.ErrNotFound
}

func (tp *tape) Last(_ context.Context, _, filter string) (bus.Message, error) {
	tp.meanwhile()
	for _, m := range slices.Backward(tp.status[:max(0, len(tp.status)-tp.behind())]) {
		if on(m.Subject, filter) {
			return m, nil
		}
	}
	return bus.Message{}, bus.ErrNotFound
}

func (tp *tape) Write(_ context.Context, e event.Event, filter string, last uint64) (uint64, error) {
	tp.meanwhile()
	if tp.refused() {
		return 0, errAmbiguous
	}
	if at, ok := tp.ids[e.ID()]; ok && tp.now.Sub(at) < bus.DedupWindow {
		return 0, bus.ErrConflict // as the bus says of an event that is stored already
	}
	var latest uint64
	for _, m := range slices.Backward(tp.status) {
		if on(m.Subject, filter) {
			latest = m.Sequence
			break
		}
	}
	if latest != last {
		return 0, bus.ErrConflict
	}
	m := bus.Message{
		Event: e, Subject: e.Type() + "." + e.Subject(), Sequence: uint64(len(tp.status) + 1),
		Stored: tp.now, Created: stream,
	}
	tp.status = append(tp.status, m)
	tp.ids[e.ID()] = tp.now
	if tp.lost() {
		return 0, errAmbiguous
	}
	return m.Sequence, nil
}

func (tp *tape) Rewrite(ctx context.Context, e event.Event, filter string, last uint64) (uint64, error) {
	delete(tp.ids, e.ID())
	return tp.Write(ctx, e, filter, last)
}

// hydrated is the view of a process that starts now.
func (tp *tape) hydrated() *view {
	v := newView()
	for _, m := range tp.status {
		if one, err := versionOf(m); err == nil {
			v.put(one)
		}
	}
	return v
}

// recorded is what the stream says of a workload: its record and its changes.
func (tp *tape) recorded(workload string) (r events.Record, changes []events.Record) {
	for _, m := range tp.status {
		if m.Event.Subject() != workload {
			continue
		}
		v, err := versionOf(m)
		if err != nil {
			continue
		}
		if r = v.record; m.Event.Type() == events.TypeStatusChanged {
			changes = append(changes, r)
		}
	}
	return r, changes
}
