package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/standalone"
)

func testCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "test RECEIVER -c FILE",
		GroupID: "act",
		Short:   "Send a test message to a receiver, as an alert is sent",
		Args:    takes("RECEIVER"),
	}
	o.addOutput(c)
	o.onBus(c, func(ctx context.Context, cfg *standalone.Config, b *bus.Bus, args []string) error {
		if err := knownReceiver(cfg, args[0]); err != nil {
			return err
		}
		receipt, err := notifier.Test(ctx, b, args[0])
		if err != nil {
			return err
		}
		p := printer(c)
		if o.json() {
			if err := printValue(p, receipt); err != nil {
				return err
			}
		}
		if receipt.Error != "" {
			return &process.ExitError{Code: process.ExitProblem, Err: fmt.Errorf("%s did not accept the test message: %s", args[0], receipt.Error)}
		}
		if !o.json() {
			p.Line("%s accepted the test message in %d ms", args[0], receipt.DurationMS)
		}
		return nil
	})
	return c
}

func knownReceiver(cfg *standalone.Config, name string) error {
	names := map[string]bool{}
	for _, r := range cfg.Notifier.Receivers {
		names[r.Name] = true
	}
	if !names[name] {
		return process.Usagef("no receiver is named %q%s", name, config.Suggest(name, names))
	}
	return nil
}
