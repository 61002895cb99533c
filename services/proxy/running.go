package proxy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/guard"
)

// running is what lives as long as one call of [Proxy.Run]: open listeners and
// the goroutines of the workloads. It is not safe for concurrent use.
type running struct {
	*shared
	ctx       context.Context
	wg        sync.WaitGroup
	failed    chan error
	table     *atomic.Pointer[table]
	listeners map[string]*listener
	stops     map[*workload]context.CancelFunc
	sources   map[*credential.Source]context.CancelFunc

	clients     *guard.Tokens // that are followed; nil: none
	stopClients context.CancelFunc
}

func newRunning(ctx context.Context, s *shared, t *atomic.Pointer[table]) *running {
	return &running{
		shared: s, ctx: ctx, table: t, failed: make(chan error, 1),
		listeners: map[string]*listener{}, stops: map[*workload]context.CancelFunc{},
		sources: map[*credential.Source]context.CancelFunc{},
	}
}

// apply puts a table into service. New listeners are opened first: that is what
// can fail.
func (r *running) apply(next *table) error {
	fresh := map[string]*listener{}
	for addr, rt := range next.listeners {
		if r.listeners[addr] != nil {
			continue
		}
		l, err := openListener(r.ctx, rt.path, addr, next.cfg.Limits, &handler{r.table, addr, r.via, r.metrics, r.log}, r.log)
		if err != nil {
			for _, l := range fresh {
				l.ln.Close()
			}
			return err
		}
		fresh[addr] = l
	}

	r.table.Store(next)
	r.exchangeWorkloads(next)
	r.reportGone(next)
	r.followClients(next.clients)
	for _, l := range r.listeners {
		if l.setLimits(next.cfg.Limits) {
			r.serve(l)
		}
	}
	for addr, l := range fresh {
		r.listeners[addr] = l
		r.wg.Go(l.accept)
		r.serve(l)
	}
	for addr, l := range r.listeners {
		if next.listeners[addr] == nil {
			delete(r.listeners, addr)
			r.wg.Go(func() { l.leave(r.ctx) })
		}
	}
	r.leaseDue.raise()
	return nil
}

// serve serves l with its current server.
func (r *running) serve(l *listener) {
	srv, from := l.srv, l.share
	r.wg.Go(func() {
		if err := serve(srv, from); err != nil {
			select {
			case r.failed <- fmt.Errorf("serve %s: %w", l.ln.Addr(), err):
			default:
			}
		}
	})
}

// exchangeWorkloads starts the new ones and retires those that are gone.
func (r *running) exchangeWorkloads(next *table) {
	in := map[*workload]bool{}
	for _, w := range next.workloads {
		in[w] = true
	}
	for w, stop := range r.stops {
		if in[w] {
			continue
		}
		w.retire()
		stop()
		delete(r.stops, w)
		if next.workloads[w.cfg.Name] == nil {
			r.metrics.drop(w.cfg.Name)
		}
	}
	for w := range in {
		if r.stops[w] != nil {
			continue
		}
		ctx, stop := context.WithCancel(r.ctx)
		r.stops[w] = stop
		r.wg.Go(w.start(ctx))
	}
	r.exchangeSources(in)
}

// reportGone says which workloads this proxy does not report on any more, after
// their observers said their last word.
func (r *running) reportGone(next *table) {
	var names []string
	for name, w := range next.workloads {
		if w.source != nil {
			names = append(names, name)
		}
	}
	for _, name := range r.roster.take(names) {
		why := ""
		if next.workloads[name] != nil {
			why = "its clients send credentials of their own now"
		}
		r.publisher.retire(name, why)
	}
}

// exchangeSources follows the credentials that workloads have. One that stays is
// not interrupted: the answer with its next refresh token may be under way.
func (r *running) exchangeSources(workloads map[*workload]bool) {
	in := map[*credential.Source]bool{}
	for w := range workloads {
		if w.source != nil {
			in[w.source] = true
		}
	}
	for s, stop := range r.sources {
		if !in[s] {
			stop()
			delete(r.sources, s)
		}
	}
	for s := range in {
		if r.sources[s] == nil {
			ctx, stop := context.WithCancel(r.ctx)
			r.sources[s] = stop
			r.wg.Go(func() { s.Run(ctx) })
		}
	}
}

// followClients follows the file of the clients' tokens instead of the one before.
func (r *running) followClients(clients *guard.Tokens) {
	if clients == r.clients {
		return
	}
	if r.clients != nil {
		r.stopClients()
	}
	r.clients = clients
	if clients != nil {
		var ctx context.Context
		ctx, r.stopClients = context.WithCancel(r.ctx)
		r.wg.Go(func() { clients.Run(ctx, r.log) })
	}
}

// stop closes the listeners, lets requests finish, and ends the workloads.
func (r *running) stop(ctx context.Context, cancel context.CancelFunc) {
	for _, end := range r.sources {
		end() // a token request may take as long as the listeners
	}
	var wg sync.WaitGroup
	for _, l := range r.listeners {
		wg.Go(func() { l.stop(ctx) })
	}
	wg.Wait()
	cancel()
	r.wg.Wait()
}
