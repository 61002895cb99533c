package proxy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
)

// roster remembers, over a restart, which workloads this proxy reports on. A name
// that leaves the configuration stays until the bus has its auth.retired: a crash
// before that says it again.
type roster struct {
	file string // empty: the roster ends with the process
	log  *slog.Logger

	mu       sync.Mutex
	served   map[string]bool // in the configuration; false: on its way out
	reported map[string]bool // on its way out, and returned by take
}

// maxRoster is more than the names of a hundred thousand workloads.
const maxRoster = 8 << 20

// openRoster reads what the last run left. A file that cannot be used must not keep
// the proxy from starting: then nothing is known to have left.
func openRoster(dir string, log *slog.Logger) *roster {
	r := &roster{log: log, served: map[string]bool{}, reported: map[string]bool{}}
	if dir == "" {
		return r
	}
	r.file = filepath.Join(dir, "workloads.json")
	text, err := config.ReadFile(r.file, maxRoster)
	var names []string
	if err == nil {
		err = json.Unmarshal(text, &names)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the list of the workloads served before cannot be read; one that left is not reported", "file", r.file, "err", err)
	}
	for _, name := range names {
		r.served[name] = false
	}
	return r
}

// take takes over the names that are served now, and returns those that are not any
// more and are to be reported.
func (r *roster) take(names []string) (gone []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.served {
		r.served[name] = false
	}
	for _, name := range names {
		r.served[name] = true
	}
	r.save()
	for _, name := range slices.Sorted(maps.Keys(r.served)) {
		switch {
		case r.served[name]:
			delete(r.reported, name)
		case !r.reported[name]:
			r.reported[name] = true
			gone = append(gone, name)
		}
	}
	return gone
}

// told says that the bus has the end of a workload.
func (r *roster) told(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if served, known := r.served[name]; !known || served {
		return // it came back
	}
	delete(r.served, name)
	delete(r.reported, name)
	r.save()
}

func (r *roster) save() {
	if r.file == "" {
		return
	}
	names := slices.AppendSeq([]string{}, maps.Keys(r.served))
	slices.Sort(names)
	text, err := json.Marshal(names)
	if err == nil {
		err = datadir.Replace(r.file, append(text, '\n'))
	}
	if err != nil {
		r.log.Error("the list of the workloads cannot be kept; one that leaves over a restart is not reported", "file", r.file, "err", err)
	}
}
