package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/status/api"
)

func whyCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "why WORKLOAD [-c FILE]",
		GroupID: "ask",
		Short:   "The evidence, the changes of status, the deliveries, and what is pending",
		Long: `why asks the status API for the evidence, the changes of status and the deliveries.
With FILE it also asks the notifier, over the bus, which message each receiver gets
next and what that message waits for.`,
		Args: takes("WORKLOAD"),
	}
	o.addAPI(c)
	o.addFile(c)
	o.addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		ask, err := newClient(o.api)
		if err != nil {
			return err
		}
		w, rawRecord, err := fetch[api.Workload](c.Context(), ask, "workloads", args[0])
		if err != nil {
			return err
		}
		past, rawPast, err := fetch[transitionList](c.Context(), ask, "workloads", args[0], "history")
		if err != nil {
			return err
		}
		told, rawTold, err := fetch[receiptList](c.Context(), ask, "workloads", args[0], "receipts")
		if err != nil {
			return err
		}
		waits, err := o.waiting(c, args[0])
		if err != nil {
			return err
		}
		p := printer(c)
		if o.json() {
			return printMerged(p, rawRecord, rawPast, rawTold, waits.raw())
		}
		printWorkload(p, w, time.Now())
		printEvidence(p, w.Evidence)
		printTimeline(p, past.Transitions)
		printReceipts(p, told.Receipts, w.Silenced)
		printWaiting(p, waits)
		return nil
	}
	return c
}

// printMerged prints {"workload": record, "transitions": […], "receipts": […]}.
func printMerged(p *terminal.Printer, record json.RawMessage, lists ...json.RawMessage) error {
	merged := map[string]json.RawMessage{"workload": record}
	for _, list := range lists {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(list, &members); err != nil {
			return err
		}
		maps.Copy(merged, members)
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	return printJSON(p, raw)
}

func printEvidence(p *terminal.Printer, e *events.Evidence) {
	if e == nil {
		return
	}
	p.Line("\n%s", p.Bold("Evidence"))
	if r := e.Request; r != nil {
		p.Line("  request    %s", terminal.Clean(requestText(r)))
	}
	if r := e.Response; r != nil {
		p.Line("  answer     %s", terminal.Clean(responseText(r)))
	}
	if e.Rejections > 0 {
		text := fmt.Sprintf("%d", e.Rejections)
		if e.FirstSeen != nil {
			text += ", the first at " + localTime(*e.FirstSeen)
		}
		p.Line("  rejected   %s", text)
	}
}

func requestText(r *events.Request) string {
	return strings.Join(strings.Fields(strings.Join([]string{r.Method, r.Path, r.MCPMethod, r.MCPName}, " ")), " ")
}

func responseText(r *events.Response) string {
	text := fmt.Sprintf("HTTP %d", r.Status)
	if c := r.Challenge; c != nil {
		text += ", " + c.Scheme
		if c.Error != "" {
			text += " " + c.Error
		}
		if c.ErrorDescription != "" {
			text += ": " + c.ErrorDescription
		}
	}
	return text
}

func printTimeline(p *terminal.Printer, past []events.Record) {
	if len(past) == 0 {
		return
	}
	p.Line("\n%s", p.Bold("Timeline"))
	rows := make([][]terminal.Cell, 0, len(past))
	for _, r := range past {
		w := api.Workload{Record: r}
		rows = append(rows, []terminal.Cell{
			{Text: "  " + localTime(r.Since), Style: p.Dim},
			{Text: statusText(w), Style: statusStyle(p, w)},
			{Text: terminal.Clean(r.Reason)},
		})
	}
	p.Table(rows)
}

func printReceipts(p *terminal.Printer, told []api.Receipt, silenced *events.Silence) {
	p.Line("\n%s", p.Bold("Told"))
	if len(told) == 0 {
		text := "nobody yet"
		if silenced != nil {
			text += ": " + silencedText(silenced)
		}
		p.Line("  %s", text)
		return
	}
	rows := make([][]terminal.Cell, 0, len(told))
	for _, d := range told {
		outcome, style := "delivered", p.Green
		if d.Type == events.TypeAlertFailed {
			outcome, style = "failed: "+terminal.Clean(d.Error), p.Red
		}
		rows = append(rows, []terminal.Cell{
			{Text: "  " + localTime(d.Time), Style: p.Dim},
			{Text: terminal.Clean(d.Receiver)},
			{Text: terminal.Clean(d.Kind)},
			{Text: outcome, Style: style},
		})
	}
	p.Table(rows)
}
