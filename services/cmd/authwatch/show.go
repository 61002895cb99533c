package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/status/api"
)

func showCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "show WORKLOAD",
		GroupID: "ask",
		Short:   "The status of one workload",
		Args:    takes("WORKLOAD"),
	}
	o.addAPI(c)
	o.addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		ask, err := newClient(o.api)
		if err != nil {
			return err
		}
		w, raw, err := fetch[api.Workload](c.Context(), ask, "workloads", args[0])
		if err != nil {
			return err
		}
		p := printer(c)
		if o.json() {
			return printJSON(p, raw)
		}
		printWorkload(p, w, time.Now())
		return nil
	}
	return c
}

func printWorkload(p *terminal.Printer, w api.Workload, now time.Time) {
	p.Line("%s  %s  since %s (%s)", p.Bold(terminal.Clean(w.Workload)), statusStyle(p, w)(statusText(w)), localTime(w.Since), ago(now, w.Since))
	for _, line := range terminal.Wrap(terminal.Clean(w.Message), 2) {
		p.Line("  %s", line)
	}
	p.Line("")
	var rows [][]terminal.Cell
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []terminal.Cell{{Text: "  " + name, Style: p.Dim}, {Text: terminal.Clean(value)}})
		}
	}
	add("reason", w.Reason)
	add("upstream", w.Upstream)
	if w.Outage != nil {
		add("unreachable", fmt.Sprintf("since %s: %s", localTime(w.Outage.Since), w.Outage.Error))
	}
	if cred := w.Credential; cred != nil {
		add("credential", cred.Source)
		add("fingerprint", cred.Fingerprint)
		if cred.LoadedAt != nil {
			add("loaded", localTime(*cred.LoadedAt))
		}
		if cred.ExpiresAt != nil {
			add("expires", localTime(*cred.ExpiresAt))
		}
	}
	add("served by", servedBy(w))
	add("incident", w.Incident)
	add("alerts", silencedText(w.Silenced))
	add("acknowledged", acknowledgedText(w.Acknowledged))
	if last := w.LastIncident; last != nil {
		add("last incident", fmt.Sprintf("%s to %s, %s", localTime(last.Opened), localTime(last.Closed), last.Reason)+retiredText(*last))
	}
	if f := w.Forbidden; f != nil {
		add("forbidden", forbidden(f))
		if f.Response != nil {
			add("let it in at", f.Response.Address)
		}
	}
	p.Table(rows)
}

// forbidden says when the upstream took the credential and did not let it in, and why.
func forbidden(f *events.Forbidden) string {
	if f.Response != nil && f.Response.Rule != "" {
		return fmt.Sprintf("at %s: %s", localTime(f.At), f.Response.Rule)
	}
	return fmt.Sprintf("at %s, missing scopes: %q", localTime(f.At), f.Scopes)
}

// acknowledgedText says who takes care of an incident, since when and why.
func acknowledgedText(a *events.Acknowledgement) string {
	if a == nil {
		return ""
	}
	text := "at " + localTime(a.At)
	if a.By != "" {
		text += " by " + a.By
	}
	if a.Until != nil {
		text += ", until " + localTime(*a.Until)
	}
	if a.Note != "" {
		text += ": " + a.Note
	}
	return text
}

func retiredText(i events.Incident) string {
	if i.Retired {
		return ", ended by its removal"
	}
	return ""
}
