package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/standalone"
)

func runCommand(o *options) *cobra.Command {
	level := slog.LevelInfo
	c := &cobra.Command{
		Use:     "run -c FILE",
		GroupID: "run",
		Short:   "Everything in one process: proxy, status, notifier and the broker",
		Long: `run starts the proxy, the status service and the notifier in one process, over an
embedded NATS server, or over the one that nats.url names.

run takes over a change of the file's proxy section while it runs, and on SIGHUP.
If the file is wrong then, nothing changes and the log says why.`,
		Args: takes(),
	}
	o.addFile(c)
	c.Flags().TextVar(&level, "log-level", level, "debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := o.load(c)
		if err != nil {
			return err
		}
		return standalone.New(standalone.Options{
			Config: cfg, File: o.file, Log: process.Logger(os.Stderr, level),
		}).Run(c.Context())
	}
	return c
}
