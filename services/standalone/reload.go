package standalone

import (
	"context"
	"strings"

	"github.com/authwatch/authwatch/services/proxy"
)

// reload takes over the proxy section of the changed file. A file that is wrong
// changes nothing.
func (a *App) reload(ctx context.Context, p *proxy.Proxy) error {
	next, err := Load(a.file)
	if err == nil {
		err = next.locate("proxy", p.Reload(next.Proxy))
	}
	if err != nil {
		return err
	}
	if names := fixed(a.cfg, next); len(names) > 0 {
		a.log.WarnContext(ctx, "sections changed that are read at the start only; restart to take them over",
			"file", a.file, "sections", strings.Join(names, " "))
	}
	return nil
}
