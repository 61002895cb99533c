package proxy

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/probe"
)

// ask finds out what the upstream thinks of a token.
func ask(ctx context.Context, up *forward.Upstream, w *Workload, token config.Secret) probe.Answer {
	base, err := w.base()
	if err != nil {
		return probe.Answer{Err: err}
	}
	target := forward.NewTarget(base, "")
	if w.kind() == KindMCP {
		return probe.MCP(ctx, up, target.URL("", "", false), token)
	}
	var p Probe
	if w.Probe != nil {
		p = *w.Probe
	}
	path, query, has := strings.Cut(p.Path, "?")
	return probe.HTTP(ctx, up, cmp.Or(p.Method, http.MethodGet), target.URL(path, query, has), token)
}
