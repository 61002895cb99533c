package status

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/presence"
	"github.com/authwatch/authwatch/services/status/api"
)

// proxies knows which proxies serve which workload.
type proxies struct {
	log *slog.Logger
	now func() time.Time

	current chan struct{} // closed when the leases that exist are known
	known   func()        // closes it

	mu     sync.RWMutex
	leases map[string]held // by key
}

type held struct {
	presence.Lease
	heard time.Time
}

func newProxies(log *slog.Logger) *proxies {
	p := &proxies{log: log, now: time.Now, current: make(chan struct{}), leases: make(map[string]held)}
	p.known = sync.OnceFunc(func() { close(p.current) })
	return p
}

// take is called with every change of the bucket. A lease that is not renewed
// lapses by this process's clock, so it does not matter whether the bucket says
// that it expired.
func (p *proxies) take(e bus.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Deleted {
		delete(p.leases, e.Key)
		return
	}
	l, err := presence.Parse(e.Value)
	if err != nil {
		p.log.Warn("lease is unreadable", "key", e.Key, "err", err)
		return
	}
	p.leases[e.Key] = held{Lease: l, heard: p.now()}
}

// serving returns what live leases say of each workload, and drops the others.
func (p *proxies) serving() map[string][]presence.Served {
	p.mu.Lock()
	defer p.mu.Unlock()
	by := make(map[string][]presence.Served)
	for key, h := range p.leases {
		if p.now().Sub(h.heard) > presence.TTL {
			delete(p.leases, key)
			continue
		}
		for workload, s := range h.Workloads {
			by[workload] = append(by[workload], s)
		}
	}
	return by
}

// leasesWait is how long an observation waits for the leases to be known. Then it
// is delivered again later.
const leasesWait = 5 * time.Second

// instances are the proxies that serve a workload.
func (p *proxies) instances(ctx context.Context, workload string) ([]string, error) {
	wait := time.NewTimer(leasesWait)
	defer wait.Stop()
	select {
	case <-p.current:
	case <-wait.C:
		return nil, fmt.Errorf("the leases of the proxies: %w", bus.ErrUnavailable)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	var all []string
	for _, h := range p.leases {
		if _, ok := h.Workloads[workload]; ok && p.now().Sub(h.heard) <= presence.TTL {
			all = append(all, h.Instance)
		}
	}
	return all, nil
}

// present joins a record with what the leases say. One proxy that reaches the
// upstream is enough to call it reachable.
func present(r events.Record, by []presence.Served) api.Workload {
	w := api.Workload{Record: r, ServedBy: len(by)}
	for _, s := range by {
		switch {
		case s.Reachable == nil:
		case *s.Reachable:
			w.Reachable, w.Outage = s.Reachable, nil
			return w
		default:
			w.Reachable = s.Reachable
			if w.Outage == nil || s.Since.Before(w.Outage.Since) {
				w.Outage = &api.Outage{Since: s.Since, Error: s.Error}
			}
		}
	}
	return w
}

// unobserved is the record of a workload that a proxy serves and that no event
// was ever about: its clients bring their own credentials, or nothing was
// published yet.
func unobserved(name string, by []presence.Served) events.Record {
	r := events.Record{
		Workload: name, Status: events.StatusUnknown,
		Message: name + ": a proxy serves it. Nothing is known about its credential yet.",
	}
	for _, s := range by {
		if r.Since.IsZero() || s.Since.Before(r.Since) {
			r.Since = s.Since
		}
	}
	return r
}
