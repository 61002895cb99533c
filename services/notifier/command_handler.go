package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// commandHandler does the commands that arrive on the bus.
type commandHandler struct {
	receivers []receiver.Config
	workers   map[string]*worker
}

// serve answers commands until draining is closed or ctx ends.
func (h *commandHandler) serve(ctx context.Context, draining <-chan struct{}, b *bus.Bus) error {
	serving, stop := until(ctx, draining)
	defer stop()
	return b.Serve(serving, bus.CommandNotifier+".*", func(_ context.Context, subject string, data []byte) []byte {
		r := reply{Error: "the command is not understood"}
		var c command
		if json.Unmarshal(data, &c) == nil {
			r = h.handle(ctx, draining, strings.TrimPrefix(subject, bus.CommandNotifier+"."), c)
		}
		answer, err := json.Marshal(r)
		if err != nil {
			return nil // strings, numbers and times
		}
		return answer
	})
}

func (h *commandHandler) handle(ctx context.Context, draining <-chan struct{}, name string, c command) reply {
	if name == commandWaiting {
		return reply{Waiting: h.waiting(c.Workload)}
	}
	w := h.workers[c.Receiver]
	switch {
	case w == nil:
		return reply{Error: fmt.Sprintf("no receiver is named %q%s", c.Receiver, config.Suggest(c.Receiver, h.workers))}
	case name == commandTest:
		receipt, err := w.test(ctx, draining)
		if err != nil {
			return reply{Error: err.Error()}
		}
		return reply{Receipt: receipt}
	case name == commandReplay:
		n := w.queue.replay(c.Delivery)
		if n == 0 && c.Delivery != "" {
			return reply{Error: fmt.Sprintf("receiver %q has no message with the id %q that waits; see authwatch pending", c.Receiver, c.Delivery)}
		}
		return reply{Count: n}
	}
	return reply{Error: fmt.Sprintf("this notifier does not know the command %q", name)}
}

// waiting is what the receivers get next about a workload.
func (h *commandHandler) waiting(workload string) []Waiting {
	var all []Waiting
	for _, c := range h.receivers {
		for _, name := range []string{workload, warningPrefix + workload} {
			if next, ok := h.workers[c.Name].queue.explain(name); ok {
				if name != workload {
					next.Kind = events.KindExpiring
				}
				all = append(all, Waiting{c.Name, next})
			}
		}
	}
	return all
}
