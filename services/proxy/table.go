package proxy

import (
	"fmt"
	"strings"

	"github.com/authwatch/authwatch/services/proxy/guard"
)

// table is the configuration in service. It is replaced as a whole.
type table struct {
	cfg       Config
	clients   *guard.Tokens // nil: anybody
	workloads map[string]*workload
	listeners map[string]*route // by address
}

// route is what one listener serves.
type route struct {
	path  string    // of the address in the configuration
	own   *workload // nil: all of them by name
	guard *guard.Guard
}

// next returns the table for cfg. It keeps the workloads of t that cfg does not
// change.
func (t *table) next(cfg Config, s *shared) (*table, error) {
	next := &table{cfg: cfg, workloads: map[string]*workload{}, listeners: map[string]*route{}}
	if cfg.ClientAuth != nil {
		next.clients = t.clients
		if t.clients == nil || t.clients.File != cfg.ClientAuth.BearerTokenFile {
			clients, err := guard.NewTokens(cfg.ClientAuth.BearerTokenFile)
			if err != nil {
				return nil, fmt.Errorf("client_auth.bearer_token_file: %w", err)
			}
			next.clients = clients
		}
	}
	next.addRoute("listen", cfg.listen(), nil)
	sources := sourcesOf(t)
	for i, c := range cfg.Workloads {
		w := t.workloads[c.Name]
		if !w.still(c) || t.cfg.Limits.requestBody() != cfg.Limits.requestBody() {
			source, err := sources.find(c, s.log)
			if err == nil {
				w, err = newWorkload(c, source, cfg.Limits, s)
			}
			if err != nil {
				return nil, fmt.Errorf("workloads[%d] %s: %w", i, c.Name, err)
			}
		}
		next.workloads[c.Name] = w
		if c.Listen != "" {
			next.addRoute(fmt.Sprintf("workloads[%d].listen", i), c.Listen, w)
		}
	}
	return next, nil
}

func (t *table) addRoute(path, addr string, own *workload) {
	t.listeners[addr] = &route{path: path, own: own, guard: &guard.Guard{
		Listen: addr, Hosts: t.cfg.AllowedHosts, Origins: t.cfg.AllowedOrigins, Clients: t.clients,
	}}
}

// byName finds the workload that the first part of the path names, and returns
// the rest of the path as it was written.
func (t *table) byName(path string) (w *workload, rest string) {
	if path == "" {
		return nil, ""
	}
	name := path[1:]
	if i := strings.IndexByte(name, '/'); i >= 0 {
		name, rest = name[:i], name[i:]
	}
	return t.workloads[name], rest
}
