package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// unreachableAfter is how many failures in a row, one may be chance.
const unreachableAfter = 3

// reachability knows whether a workload's upstream answers. It is independent of
// what the upstream thinks of the credential.
type reachability struct {
	log     *slog.Logger
	changed signal

	failures atomic.Int32 // in a row; what requests look at

	mu    sync.Mutex
	down  bool
	since time.Time // of the present state
	why   string
}

func (r *reachability) get() (ok bool, since time.Time, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down, r.since, r.why
}

// answered takes in an answer. A gateway's counts as none: it speaks for an
// upstream that it did not reach.
func (r *reachability) answered(status int) {
	if isGateway(status) {
		r.failed(fmt.Sprintf("it answers %d", status), nil)
		return
	}
	if r.failures.Load() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures.Store(0)
	if r.down {
		r.down, r.since, r.why = false, time.Now(), ""
		r.log.Info("upstream answers again")
		r.changed.raise()
	}
}

// failed takes in that there was no answer; why is for everybody, err for the log.
func (r *reachability) failed(why string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures.Add(1) < unreachableAfter {
		return
	}
	r.why = why
	if !r.down {
		r.down, r.since = true, time.Now()
		r.log.Warn("upstream is unreachable", "reason", why, "err", err)
		r.changed.raise()
	}
}

func isGateway(status int) bool {
	return status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout
}
