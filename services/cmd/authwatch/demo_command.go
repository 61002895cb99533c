package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/demo"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	c := &cobra.Command{
		Use:     "demo",
		GroupID: "run",
		Short:   "Watch a token die and come back, with nothing to set up",
		Long: `demo starts an MCP server behind a bearer token, an MCP client, and authwatch
between them, all in this process. After some seconds the server stops accepting
the token, and demo shows what follows with the time since the 401. Then it writes a
new token to the file and shows the recovery. It runs until Ctrl-C.`,
		Args: takes(),
	}
	c.Flags().BoolVar(&o.Once, "once", false, "end after the recovery, with exit code 1 if a step did not happen")
	c.Flags().DurationVar(&o.After, "after", 5*time.Second, "how long the first token works")
	c.RunE = func(c *cobra.Command, _ []string) error {
		o.Out = printer(c)
		return demo.Run(c.Context(), o)
	}
	return c
}
