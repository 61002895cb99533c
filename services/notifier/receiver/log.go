package receiver

import (
	"context"
	"log/slog"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Log writes messages to the notifier's own log. It cannot fail.
type Log struct{}

func (*Log) problems() []config.Problem { return nil }
func (*Log) rate() Rate                 { return Rate{} }

func (*Log) build(o Options) Receiver { return logReceiver{o.Log} }

type logReceiver struct{ log *slog.Logger }

func (l logReceiver) Send(ctx context.Context, m Message) plan.Result {
	level := slog.LevelInfo
	if m.Open {
		level = slog.LevelWarn
	}
	l.log.Log(ctx, level, "alert", "receiver", m.Receiver, "kind", m.Kind, "title", m.Title, "text", m.Text,
		"workloads", names(m.Workloads), "delivery_id", m.ID)
	return plan.Result{Outcome: plan.Delivered}
}
