package forward

import (
	"net/url"
	"sync"
	"sync/atomic"
)

// maxNamed is how many endpoints are remembered; servers that name one for each
// session need more than one.
const maxNamed = 4096

// named are the paths outside the base that the upstream itself named as the
// endpoint of a legacy HTTP+SSE stream. Clients are let through to exactly these.
type named struct {
	any   atomic.Bool
	mu    sync.RWMutex
	paths map[string]bool
	order []string // oldest first
}

func (n *named) has(path string) bool {
	if !n.any.Load() {
		return false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.paths[path]
}

func (n *named) add(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paths[path] {
		return
	}
	if n.paths == nil {
		n.paths = map[string]bool{}
	}
	if len(n.order) == maxNamed {
		delete(n.paths, n.order[0])
		n.order = n.order[1:]
	}
	n.paths[path] = true
	n.order = append(n.order, path)
	n.any.Store(true)
}

// Endpoint is [Target.Local] for the endpoint event of a legacy HTTP+SSE stream.
// Its path is often beside the stream's: with an upstream at /sse, /messages. It is
// served at the same path below the mount point from then on.
func (t Target) Endpoint(from *url.URL, ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return t.Local(from, ref)
	}
	abs := from.ResolveReference(u)
	path := abs.EscapedPath()
	if _, below := t.localPath(path); below || path == "" || path[0] != '/' || Climbs(path) || !t.ours(from, abs) {
		return t.Local(from, ref)
	}
	t.named.add(path)
	return t.mount + path + t.suffix(abs)
}
