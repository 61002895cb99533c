package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/standalone"
)

// notifierWait bounds the question to the notifier. Without its answer `why` still
// shows that of the status API.
const notifierWait = 3 * time.Second

// waitingList is what receivers get next; nil: the notifier was not asked.
type waitingList struct {
	Waiting []notifier.Waiting `json:"waiting"`
	Problem string             `json:"waiting_problem,omitempty"` // why it is not known
}

// waiting asks the notifier, where a file says how to reach it. Only a file that is
// wrong is an error.
func (o *options) waiting(c *cobra.Command, workload string) (*waitingList, error) {
	if o.file == "" {
		return nil, nil
	}
	list := waitingList{Waiting: []notifier.Waiting{}}
	err := o.connected(c, notifierWait, func(ctx context.Context, _ *standalone.Config, b *bus.Bus) error {
		all, err := notifier.WaitingFor(ctx, b, workload)
		list.Waiting = orEmpty(all)
		return err
	})
	if _, wrong := errors.AsType[config.Errors](err); wrong {
		return nil, err
	}
	if err != nil {
		list.Problem = err.Error()
	}
	return &list, nil
}

// raw is the list as the members of a JSON object.
func (l *waitingList) raw() json.RawMessage {
	if l == nil {
		return json.RawMessage(`{}`)
	}
	raw, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	return raw
}

func printWaiting(p *terminal.Printer, l *waitingList) {
	switch {
	case l == nil:
		return
	case l.Problem != "":
		p.Line("\n%s\n  not known: %s", p.Bold("Waiting"), terminal.Clean(l.Problem))
		return
	case len(l.Waiting) == 0:
		return
	}
	p.Line("\n%s", p.Bold("Waiting"))
	rows := make([][]terminal.Cell, 0, len(l.Waiting))
	for _, w := range l.Waiting {
		style := p.Yellow
		switch {
		case w.Failed || w.For == plan.ForConfig:
			style = p.Red
		case w.For == plan.ForReminder, w.For == plan.ForPerson:
			style = p.Dim
		}
		rows = append(rows, []terminal.Cell{
			{Text: "  " + terminal.Clean(w.Receiver)},
			{Text: terminal.Clean(w.Kind)},
			{Text: causeText(w), Style: style},
		})
	}
	p.Table(rows)
}

var causes = map[plan.Cause]string{
	plan.ForAnswer:     "being sent",
	plan.ForReceiver:   "waits for the receiver, and will be tried again",
	plan.ForRetryAfter: "waits because the receiver asked for it",
	plan.ForConfig:     "waits for a new configuration: the receiver says it is gone",
	plan.ForSilence:    "silenced",
	plan.ForEscalation: "others were told first",
	plan.ForFlapping:   "waits until the status is stable",
	plan.ForGroup:      "waits for other workloads of its group",
	plan.ForReminder:   "reminder, if the incident is still open",
	plan.ForTurn:       "waits for its turn",
	plan.ForPerson:     "reminder, paused because somebody takes care of it",
}

// causeText says what a message waits for, until when, and what went wrong.
func causeText(w notifier.Waiting) string {
	text, ok := causes[w.For]
	if !ok {
		text = "waits for " + terminal.Clean(string(w.For)) // of a newer notifier
	}
	if !w.Until.IsZero() {
		text += ", until " + localTime(w.Until)
	}
	if w.Error != "" {
		text += fmt.Sprintf(" (%s, after %s)", terminal.Clean(w.Error), count(w.Attempts, "attempt"))
	}
	return text
}
