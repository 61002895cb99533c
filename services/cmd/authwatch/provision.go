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

func provisionCommand(o *options) *cobra.Command {
	var replicas int
	var wait time.Duration
	c := &cobra.Command{
		Use:     "provision -c FILE",
		GroupID: "run",
		Short:   "Create or update the streams on a NATS server of your own",
		Long: `provision creates the streams, buckets and consumers that the services need, or
updates them. It logs in as the nats section of FILE says, with a user that may
administer JetStream; the services cannot create anything. You can run it again at
any time. authwatch run does it by itself.`,
		Args: takes(),
	}
	o.addFile(c)
	c.Flags().IntVar(&replicas, "replicas", 1, "copies of each stream: 1, or 3 on a cluster of three")
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for the server")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.needFile(c); err != nil {
			return err
		}
		cfg, err := standalone.LoadNATS(o.file)
		switch {
		case err != nil:
			return err
		case cfg.Embedded():
			return process.Usagef("%s: nats.url is missing; authwatch run provisions the embedded server by itself", o.file)
		}
		b, err := bus.Connect(c.Context(), cfg.NATS.Options("provision", process.Logger(os.Stderr, slog.LevelWarn), nil))
		if err != nil {
			return err
		}
		defer b.Close()
		ctx, cancel := context.WithTimeout(c.Context(), wait)
		defer cancel()
		if err := standalone.Provision(ctx, b, replicas); err != nil {
			return err
		}
		printer(c).Line("provisioned: streams AUTH STATUS ALERT DEAD, replicas: %d", replicas)
		return nil
	}
	return c
}
