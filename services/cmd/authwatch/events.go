package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/status/api"
)

func eventsCommand(o *options) *cobra.Command {
	var follow, all bool
	c := &cobra.Command{
		Use:     "events",
		GroupID: "ask",
		Short:   "The changes of status, oldest first; --follow waits for more",
		Args:    takes(),
	}
	o.addAPI(c)
	o.addOutput(c)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "print new events as they happen, until Ctrl-C")
	c.Flags().BoolVar(&all, "all", false, "with --follow: also updates of a record without a change of status")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ask, err := newClient(o.api)
		if err != nil {
			return err
		}
		out := changePrinter{Printer: printer(c), json: o.json(), all: all}
		if follow {
			return out.follow(c.Context(), ask)
		}
		return out.stored(c.Context(), ask)
	}
	return c
}

type changePrinter struct {
	*terminal.Printer
	json, all bool
}

// stored prints what the histories of all workloads hold. As JSON these are
// records, one a line: the envelope is not kept by the API.
func (p changePrinter) stored(ctx context.Context, ask *client) error {
	list, _, err := fetch[workloadList](ctx, ask, "workloads")
	if err != nil {
		return err
	}
	var past []events.Record
	for _, w := range list.Workloads {
		one, _, err := fetch[transitionList](ctx, ask, "workloads", w.Workload, "history")
		if err != nil {
			return err
		}
		slices.Reverse(one.Transitions) // they come newest first
		past = append(past, one.Transitions...)
	}
	slices.SortStableFunc(past, func(a, b events.Record) int { return a.Since.Compare(b.Since) })
	for _, r := range past {
		if p.json {
			raw, err := json.Marshal(r)
			if err != nil {
				return err
			}
			p.Line("%s", raw)
			continue
		}
		p.change(r)
	}
	return nil
}

// follow prints the feed, one CloudEvent a line as JSON. It opens
// a connection that ended again, after the last event. The first one must succeed.
func (p changePrinter) follow(ctx context.Context, ask *client) error {
	connected, last := false, ""
	for {
		err := ask.feed(ctx, last, func() { connected = true }, func(f frame) {
			last = f.id
			p.event(f.data)
		})
		if ctx.Err() != nil || !connected {
			return interrupted(ctx, err)
		}
		if !clock.Sleep(ctx, time.Second) {
			return nil
		}
	}
}

// interrupted is nil where err only says that the user wants to stop.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// event prints one event. It skips what it cannot read: that comes from a later
// version.
func (p changePrinter) event(raw []byte) {
	var e struct {
		Type string        `json:"type"`
		Data events.Record `json:"data"`
	}
	err := json.Unmarshal(raw, &e)
	switch {
	case err != nil, e.Type != events.TypeStatusChanged && !p.all:
	case p.json:
		p.Line("%s", raw)
	default:
		p.change(e.Data)
	}
}

func (p changePrinter) change(r events.Record) {
	w := api.Workload{Record: r}
	line := p.Dim(localTime(r.Since)) + "  " + terminal.Pad(terminal.Clean(r.Workload), 20) + "  " + statusStyle(p.Printer, w)(statusText(w))
	if r.Reason != "" {
		line += "  " + terminal.Clean(r.Reason)
	}
	p.Line("%s", line)
}
