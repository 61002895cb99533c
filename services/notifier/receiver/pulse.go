package receiver

import (
	"context"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Pulse calls a URL that expects to be called.
type Pulse struct {
	url  config.Secret
	file string
	*caller
}

// NewPulse takes a URL, or a file that holds it.
func NewPulse(url config.Secret, file string) *Pulse {
	return &Pulse{url: url, file: file, caller: newCaller(Options{Now: time.Now})}
}

// Beat makes one call.
func (p *Pulse) Beat(ctx context.Context) plan.Answer {
	url, err := endpoint(p.url, p.file)
	if err != nil {
		return unreadable(err)
	}
	return p.do(ctx, call{method: http.MethodGet, url: url})
}
