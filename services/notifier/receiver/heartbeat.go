package receiver

import (
	"context"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Heartbeat calls a URL whose owner expects it to be called.
type Heartbeat struct {
	url  config.Secret
	file string
	*caller
}

// NewHeartbeat takes a URL, or a file that holds it.
func NewHeartbeat(url config.Secret, file string) *Heartbeat {
	return &Heartbeat{url: url, file: file, caller: newCaller(Connection{}, Options{Now: time.Now})}
}

// Send makes one call.
func (h *Heartbeat) Send(ctx context.Context) plan.Result {
	url, err := endpoint(h.url, h.file)
	if err != nil {
		return unreadable(err)
	}
	return h.do(ctx, call{method: http.MethodGet, url: url})
}
