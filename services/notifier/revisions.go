package notifier

import "sync"

// revisions are the revisions that this replica wrote or read last.
type revisions struct {
	mu sync.Mutex
	of map[string]uint64
}

func (r *revisions) get(key string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[key]
}

func (r *revisions) set(key string, revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]uint64{}
	}
	if revision == 0 {
		delete(r.of, key)
		return
	}
	r.of[key] = revision
}
