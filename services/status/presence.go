package status

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/status/api"
)

// leaseTTL is how long a proxy counts after its last word.
const leaseTTL = 30 * time.Second

// A lease is what one proxy says about the workloads it serves, every few
// seconds, in the LEASES bucket.
type lease struct {
	Instance  string            `json:"instance"`
	Workloads map[string]served `json:"workloads"`
}

type served struct {
	Reachable *bool     `json:"reachable"`
	Since     time.Time `json:"since"`
	Error     string    `json:"error"`
}

// presence knows which proxies serve which workload.
type presence struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.RWMutex
	leases map[string]held // by key
}

type held struct {
	lease
	heard time.Time
}

func newPresence(log *slog.Logger) *presence {
	return &presence{log: log, now: time.Now, leases: make(map[string]held)}
}

// take is called with every change of the bucket. A lease that is not renewed
// lapses by this process's clock, so it does not matter whether the bucket says
// that it expired.
func (p *presence) take(e bus.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Deleted {
		delete(p.leases, e.Key)
		return
	}
	var l lease
	if err := json.Unmarshal(e.Value, &l); err != nil {
		p.log.Warn("lease is unreadable", "key", e.Key, "err", err)
		return
	}
	for name := range l.Workloads {
		if events.ValidWorkload(name) != nil {
			delete(l.Workloads, name)
		}
	}
	p.leases[e.Key] = held{lease: l, heard: p.now()}
}

// sweep drops what has lapsed and returns the workloads of all live leases.
func (p *presence) sweep() map[string][]served {
	p.mu.Lock()
	defer p.mu.Unlock()
	by := make(map[string][]served)
	for key, h := range p.leases {
		if p.now().Sub(h.heard) > leaseTTL {
			delete(p.leases, key)
			continue
		}
		for workload, s := range h.Workloads {
			by[workload] = append(by[workload], s)
		}
	}
	return by
}

// of returns what live leases say of one workload.
func (p *presence) of(workload string) []served {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var found []served
	for _, h := range p.leases {
		if s, ok := h.Workloads[workload]; ok && p.now().Sub(h.heard) <= leaseTTL {
			found = append(found, s)
		}
	}
	return found
}

// present joins a record with what the leases say. One proxy that reaches the
// upstream is enough to call it reachable.
func present(r events.Record, by []served) api.Workload {
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
				w.Outage = &api.Outage{Since: s.Since, Error: events.CleanText(s.Error, 300)}
			}
		}
	}
	return w
}

// unobserved is the record of a workload that a proxy serves and that no event
// was ever about: its clients bring their own credentials, or nothing was
// published yet.
func unobserved(name string, by []served) events.Record {
	r := events.Record{
		Workload: name, Status: events.StatusUnknown,
		Message: name + ": a proxy serves it; nothing was observed of its credential yet.",
	}
	for _, s := range by {
		if r.Since.IsZero() || s.Since.Before(r.Since) {
			r.Since = s.Since
		}
	}
	return r
}

// watch follows the bucket until ctx ends.
func (p *presence) watch(ctx context.Context, b *bus.Bucket) error {
	return b.Watch(ctx, "proxy.*", p.take)
}
