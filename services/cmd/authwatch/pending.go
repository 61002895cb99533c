package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/standalone"
)

func pendingCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "pending -c FILE",
		GroupID: "act",
		Short:   "The messages that receivers have not accepted yet",
		Args:    takes(),
	}
	o.addOutput(c)
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, _ []string) error {
		all, err := notifier.ListPending(ctx, b)
		if err != nil {
			return err
		}
		p := printer(c)
		if o.json() {
			return printValue(p, map[string]any{"pending": orEmpty(all)})
		}
		printPending(p, all, time.Now())
		return nil
	})
	return c
}

func printPending(p *terminal.Printer, all []notifier.Pending, now time.Time) {
	if len(all) == 0 {
		p.Line("Nothing pending.")
		return
	}
	rows := [][]terminal.Cell{{
		{Text: "RECEIVER", Style: p.Dim},
		{Text: "STATE", Style: p.Dim},
		{Text: "KIND", Style: p.Dim},
		{Text: "SINCE", Style: p.Dim},
		{Text: "ATTEMPTS", Style: p.Dim},
		{Text: "WORKLOADS", Style: p.Dim},
		{Text: "ID", Style: p.Dim},
		{Text: "ERROR", Style: p.Dim},
	}}
	for _, d := range all {
		style := p.Yellow
		if d.State == notifier.StateFailed || d.State == notifier.StateOff {
			style = p.Red
		}
		why := terminal.Clean(d.Error)
		if d.Silenced != nil {
			why = silencedText(d.Silenced)
		}
		rows = append(rows, []terminal.Cell{
			{Text: d.Receiver, Style: p.Bold},
			{Text: d.State, Style: style},
			{Text: d.Kind},
			{Text: ago(now, d.Created)},
			{Text: fmt.Sprint(d.Attempts)},
			{Text: shortList(d.Workloads)},
			{Text: d.ID},
			{Text: why},
		})
	}
	p.Table(rows)
}

func shortList(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
}

func replayCommand(o *options) *cobra.Command {
	var id string
	c := &cobra.Command{
		Use:     "replay RECEIVER -c FILE",
		GroupID: "act",
		Short:   "Send the pending messages of a receiver again, now",
		Args:    takes("RECEIVER"),
	}
	c.Flags().StringVar(&id, "id", "", "only the message with this `ID`")
	o.onBus(c, func(ctx context.Context, cfg *standalone.Config, b *bus.Bus, args []string) error {
		if err := knownReceiver(cfg, args[0]); err != nil {
			return err
		}
		n, err := notifier.Replay(ctx, b, args[0], id)
		if err != nil {
			return err
		}
		printer(c).Line("%s sent again", count(n, "message"))
		return nil
	})
	return c
}
