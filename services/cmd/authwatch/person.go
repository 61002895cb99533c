package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/standalone"
	"github.com/authwatch/authwatch/services/status"
)

func ackCommand(o *options) *cobra.Command {
	var w status.Word
	var length config.Duration
	c := &cobra.Command{
		Use:     "ack WORKLOAD -c FILE",
		GroupID: "act",
		Short:   "Say that you take care of the open incident: nobody is reminded of it",
		Long: `ack says who takes care of the open incident of a workload. Reminders of it pause, and
the page, show and why say who has it. The pause ends with the incident, or before
after --for. A new incident is not acknowledged.`,
		Example: `  authwatch ack github -c FILE --for 4h --note "asked for a new token"`,
		Args:    takes("WORKLOAD"),
	}
	c.Flags().TextVar(&length, "for", length, "how long; without it, until the incident closes")
	addWord(c, &w)
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, args []string) error {
		w.Workload = args[0]
		if length < 0 {
			return process.Usagef("ack: --for %s is negative", length.Std())
		}
		if length > 0 {
			w.Until = time.Now().Add(length.Std())
		}
		if err := status.Acknowledge(ctx, b, w); err != nil {
			return err
		}
		if w.Until.IsZero() {
			printer(c).Line("%s is acknowledged until its incident closes", w.Workload)
			return nil
		}
		printer(c).Line("%s is acknowledged until %s", w.Workload, localTime(w.Until))
		return nil
	})
	return c
}

func forgetCommand(o *options) *cobra.Command {
	var w status.Word
	c := &cobra.Command{
		Use:     "forget WORKLOAD -c FILE",
		GroupID: "act",
		Short:   "Retire a workload that no proxy serves any more",
		Long: `forget closes the open incident of a workload that no proxy serves, and says so to the
receivers that were told of it. It is listed for a day more; its history stays. A workload
that a proxy serves is taken out of that proxy's configuration instead.`,
		Args: takes("WORKLOAD"),
	}
	addWord(c, &w)
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, args []string) error {
		w.Workload = args[0]
		if err := status.Forget(ctx, b, w); err != nil {
			return err
		}
		printer(c).Line("%s is retired; its history stays", w.Workload)
		return nil
	})
	return c
}

// addWord adds what is kept of every person's word.
func addWord(c *cobra.Command, w *status.Word) {
	c.Flags().StringVar(&w.Note, "note", "", "why, for other people")
	c.Flags().StringVar(&w.By, "by", currentUser(), "who says it")
}
