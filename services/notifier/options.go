package notifier

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// Options are what a notifier is made of.
type Options struct {
	Config   Config
	Instance string // names this replica; the host's name if empty
	Bus      *bus.Bus
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Trace    *trace.Tracer // nil: off

	clock clock.Clock // for tests
}
