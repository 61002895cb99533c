package proxy

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// unreachableAfter is how many failures in a row, one may be chance.
const unreachableAfter = 3

// reach knows whether a workload's upstream answers. It is independent of what
// the upstream thinks of the credential.
type reach struct {
	failures atomic.Int32 // in a row; what requests look at

	mu    sync.Mutex
	down  bool
	since time.Time // of the present state
	why   string
}

func (r *reach) ok() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down
}

func (r *reach) get() (ok bool, since time.Time, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down, r.since, r.why
}

// answered reports whether that is news.
func (r *reach) answered(now time.Time) bool {
	if r.failures.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures.Store(0)
	if !r.down {
		return false
	}
	r.down, r.since, r.why = false, now, ""
	return true
}

// failed reports whether that is news.
func (r *reach) failed(now time.Time, why string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures.Add(1) < unreachableAfter {
		return false
	}
	was := r.down
	if !was {
		r.since = now
	}
	r.down, r.why = true, why
	return !was
}

// isGateway reports whether a status is that of a gateway which did not reach
// the upstream behind it.
func isGateway(status int) bool {
	return status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout
}
