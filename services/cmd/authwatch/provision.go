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
	var p bus.Provisioning
	var wait time.Duration
	var dryRun bool
	c := &cobra.Command{
		Use:     "provision -c FILE",
		GroupID: "run",
		Short:   "Create or update the streams on a NATS server of your own",
		Long: `provision creates the streams, buckets and consumers that the services need, or
updates them. It logs in as the nats section of FILE says, with a user that may
administer JetStream; the services cannot create anything. You can run it again at
any time. authwatch run does it by itself.

It looks at everything before it changes anything, and refuses what it did not make.
Without --replicas the copies stay as many as they are. Limits that you have raised
are kept unless you write --force.`,
		Args: takes(),
	}
	o.addFile(c)
	c.Flags().IntVar(&p.Replicas, "replicas", 0, "copies of each stream: 1, or 3 on a cluster of three (default: as many as there are)")
	c.Flags().BoolVar(&p.Force, "force", false, "set limits that were raised back to ours")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print what would change, and change nothing")
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
		change := b.Apply
		if dryRun {
			change = b.Plan
		}
		changes, err := standalone.Provision(ctx, func(ctx context.Context) ([]bus.Change, error) { return change(ctx, p) })
		if err != nil {
			return err
		}
		for _, one := range changes {
			if dryRun || one.Action != bus.Leave || len(one.Fields) > 0 {
				printer(c).Line("%s", one)
			}
		}
		if dryRun {
			printer(c).Line("nothing was changed (--dry-run)")
			return nil
		}
		printer(c).Line("provisioned: streams AUTH STATUS ALERT DEAD, replicas: %d", bus.Replicas(changes))
		return nil
	}
	return c
}
