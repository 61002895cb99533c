package proxy

import (
	"log/slog"

	"github.com/authwatch/authwatch/services/proxy/credential"
)

// sources are the credentials of workloads by name. Workloads with the same
// credential section share one, over a reload too: a refresh token can be used
// once, so two sources would lose it.
type sources map[string][]*credential.Source

func sourcesOf(t *table) sources {
	all := sources{}
	known := map[*credential.Source]bool{}
	for _, w := range t.workloads {
		if w.source != nil && !known[w.source] {
			known[w.source] = true
			name := w.cfg.Credential.Name()
			all[name] = append(all[name], w.source)
		}
	}
	return all
}

// find returns the source of w, nil with passthrough.
func (all sources) find(w Workload, log *slog.Logger) (*credential.Source, error) {
	if w.passthrough() {
		return nil, nil
	}
	name := w.Credential.Name()
	for _, s := range all[name] {
		if s.Is(w.Credential) {
			return s, nil
		}
	}
	s, err := credential.New(w.Credential, log)
	if err == nil {
		all[name] = append(all[name], s)
	}
	return s, err
}
