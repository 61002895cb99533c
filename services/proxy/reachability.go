package proxy

import (
	"context"
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
	doubt   signal // enough requests got no answer

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
		r.noAnswer()
		return
	}
	r.spoke()
}

// spoke takes in a sign of life.
func (r *reachability) spoke() {
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

// noAnswer takes in that a request got no answer of the upstream's own. A client
// may have brought that about, so it is not believed without an own request.
func (r *reachability) noAnswer() {
	if r.failures.Add(1) >= unreachableAfter {
		r.doubt.raise()
	}
}

// decide makes the own requests until ctx ends. knock says why there was no answer.
func (r *reachability) decide(ctx context.Context, knock func(context.Context) (why string, err error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.doubt:
		}
		if ok, _, _ := r.get(); !ok {
			continue
		}
		why, err := knock(ctx)
		switch {
		case ctx.Err() != nil:
		case why == "":
			r.failures.Store(0)
		default:
			r.mu.Lock()
			r.fall(why, err)
			r.mu.Unlock()
		}
	}
}

// failed takes in that there is no connection; why is for everybody, err for the log.
func (r *reachability) failed(why string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures.Add(1) >= unreachableAfter {
		r.fall(why, err)
	}
}

// fall is called with the lock held.
func (r *reachability) fall(why string, err error) {
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
