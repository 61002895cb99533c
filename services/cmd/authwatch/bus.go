package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/standalone"
)

// onBus makes a command that uses the bus of a running authwatch.
func (o *options) onBus(c *cobra.Command, do func(ctx context.Context, cfg *standalone.Config, b *bus.Bus, args []string) error) {
	var wait time.Duration
	o.addFile(c)
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for an answer")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.needFile(c); err != nil {
			return err
		}
		return o.connected(c, wait, func(ctx context.Context, cfg *standalone.Config, b *bus.Bus) error {
			return do(ctx, cfg, b, args)
		})
	}
}

// connected does something on the bus of a running authwatch, within a time: on
// the server that the file's nats.url names, or the embedded one of the process
// that runs with the same data_dir.
func (o *options) connected(c *cobra.Command, wait time.Duration, do func(ctx context.Context, cfg *standalone.Config, b *bus.Bus) error) error {
	cfg, err := standalone.LoadNATS(o.file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), wait)
	defer cancel()
	b, err := cfg.Connect(ctx, "authwatch-"+c.Name(), process.Logger(os.Stderr, slog.LevelError))
	if err != nil {
		return err
	}
	defer b.Close()
	return do(ctx, &cfg, b)
}
