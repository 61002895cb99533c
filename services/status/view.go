package status

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
)

// view is the latest record of every workload, as far as this process has read
// the STATUS stream. It may be behind; only a compare-and-set write decides.
type view struct {
	mu       sync.RWMutex
	versions map[string]version
}

// A version is a record and its sequence in the STATUS stream.
type version struct {
	record   events.Record
	sequence uint64
	stream   time.Time // when the stream was created; zero: the current one
}

// supersedes reports whether v was written after w. Sequences start over in a
// stream that was created anew.
func (v version) supersedes(w version) bool {
	if !v.stream.IsZero() && !w.stream.IsZero() && !v.stream.Equal(w.stream) {
		return v.stream.After(w.stream)
	}
	return v.sequence > w.sequence
}

func newView() *view { return &view{versions: make(map[string]version)} }

// put takes v over unless a later version is known, and returns what was known
// before and whether v was taken.
func (w *view) put(v version) (before version, taken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := v.record.Workload
	before, known := w.versions[name]
	if known && !v.supersedes(before) {
		return before, false
	}
	w.versions[name] = v
	return before, true
}

func (w *view) get(name string) (version, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	v, ok := w.versions[name]
	return v, ok
}

func (w *view) len() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.versions)
}

// records returns all records by name. They are shared: read only.
func (w *view) records() []events.Record {
	w.mu.RLock()
	defer w.mu.RUnlock()
	all := make([]events.Record, 0, len(w.versions))
	for _, name := range slices.Sorted(maps.Keys(w.versions)) {
		all = append(all, w.versions[name].record)
	}
	return all
}

// lose says that a workload's record is gone from the stream, and returns what is
// known of it. It is shown until it is written again.
func (w *view) lose(name string) (known events.Record, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.versions[name]
	if ok {
		w.versions[name] = version{record: v.record}
	}
	return v.record, ok
}

func (w *view) loseAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, v := range w.versions {
		w.versions[name] = version{record: v.record}
	}
}

// expect says that a workload had a record once, which the stream may have lost.
func (w *view) expect(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.versions[name]; !ok {
		w.versions[name] = version{record: events.Record{Workload: name}}
	}
}

// lost are the workloads whose records are gone from the stream.
func (w *view) lost() (names []string) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for name, v := range w.versions {
		if v.sequence == 0 {
			names = append(names, name)
		}
	}
	return names
}
