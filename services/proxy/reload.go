package proxy

import (
	"context"
	"fmt"
	"reflect"

	"github.com/authwatch/authwatch/services/proxy/guard"
)

// Reload takes over another configuration: workloads are added, changed and
// removed; no stream is dropped. When it returns an error nothing has changed.
func (p *Proxy) Reload(cfg Config) error {
	if problems := cfg.Validate(); len(problems) > 0 {
		return problems[0]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next, err := p.build(cfg)
	if err != nil {
		return err
	}
	if p.running == nil {
		p.table.Store(next)
		return nil
	}
	return p.apply(next)
}

// build makes a table out of cfg, with the workloads in service that cfg leaves
// as they are.
func (p *Proxy) build(cfg Config) (*table, error) {
	old := p.table.Load()
	t := &table{cfg: cfg, workloads: map[string]*workload{}, listeners: map[string]*route{}}
	if cfg.ClientAuth != nil {
		if old.clients != nil && old.clients.File == cfg.ClientAuth.BearerTokenFile {
			t.clients = old.clients
		} else {
			clients, err := guard.NewTokens(cfg.ClientAuth.BearerTokenFile)
			if err != nil {
				return nil, wrongClients(err)
			}
			t.clients = clients
		}
	}
	t.addRoute("listen", cfg.listen(), nil)
	for i, c := range cfg.Workloads {
		w := old.workloads[c.Name]
		if w == nil || !reflect.DeepEqual(w.cfg, c) || old.cfg.Limits != cfg.Limits {
			fresh, err := newWorkload(c, cfg.Limits, p.metrics, p.o.Log, p.observe, p.leaseNow)
			if err != nil {
				return nil, fmt.Errorf("workloads[%d] %s: %w", i, c.Name, err)
			}
			w = fresh
		}
		t.workloads[c.Name] = w
		if c.Listen != "" {
			t.addRoute(fmt.Sprintf("workloads[%d].listen", i), c.Listen, w)
		}
	}
	return t, nil
}

func (t *table) addRoute(path, addr string, own *workload) {
	t.listeners[addr] = &route{path: path, own: own, guard: &guard.Guard{
		Listen: addr, Hosts: t.cfg.AllowedHosts, Origins: t.cfg.AllowedOrigins, Clients: t.clients,
	}}
}

// apply puts a table into service. New listeners are opened first: that is what
// can fail. The caller holds p.mu.
func (p *Proxy) apply(next *table) error {
	r := p.running
	fresh := map[string]*listener{}
	for addr, rt := range next.listeners {
		if r.listeners[addr] != nil {
			continue
		}
		l, err := p.open(r.ctx, addr, rt, next.cfg.Limits)
		if err != nil {
			for _, l := range fresh {
				l.ln.Close()
			}
			return err
		}
		fresh[addr] = l
	}

	p.table.Store(next)
	p.exchangeWorkloads(r, next)
	p.followClients(r, next.clients)
	for addr, l := range fresh {
		r.listeners[addr] = l
		r.wg.Go(func() {
			if err := l.serve(); err != nil {
				select {
				case r.failed <- fmt.Errorf("serve %s: %w", addr, err):
				default:
				}
			}
		})
	}
	for addr, l := range r.listeners {
		if next.listeners[addr] == nil {
			delete(r.listeners, addr)
			r.wg.Go(func() { l.leave(r.ctx) })
		}
	}
	p.leaseNow()
	return nil
}

// exchangeWorkloads starts the new ones and retires those that are gone.
func (p *Proxy) exchangeWorkloads(r *running, next *table) {
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
			p.metrics.drop(w.cfg.Name)
		}
	}
	for w := range in {
		if r.stops[w] != nil {
			continue
		}
		ctx, stop := context.WithCancel(r.ctx)
		r.stops[w] = stop
		r.wg.Go(func() { w.run(ctx) })
	}
}

// followClients follows the file of the clients' tokens instead of the one before.
func (p *Proxy) followClients(r *running, clients *guard.Tokens) {
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
		r.wg.Go(func() { clients.Run(ctx, p.o.Log) })
	}
}
