package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/standalone"
)

// options are what several commands take.
type options struct {
	file   string // -c
	api    string // --api
	output string // -o
}

const defaultAPI = "http://127.0.0.1:8081"

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "authwatch",
		Short: "Know at once when a bearer token dies, and when it works again",
		Long: `authwatch stands in front of MCP servers and other HTTP services that are reached
with a bearer token. It sees the first 401 that means "this token is dead", keeps
the status of every workload, and tells people, once, with what to do.

Exit codes: 0 good, 1 a problem was found, 2 wrong usage or configuration.`,
		Example: `  authwatch demo                       watch it work, with nothing to set up
  authwatch check -c authwatch.yaml    check the configuration and the tokens
  authwatch run -c authwatch.yaml      everything in one process, the broker included
  authwatch list                       every workload, the bad ones first`,
		Args:          cobra.ArbitraryArgs,
		RunE:          unknownCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return process.Usagef("%w; see %s --help", err, c.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run it:"},
		&cobra.Group{ID: "ask", Title: "Ask a running authwatch:"},
		&cobra.Group{ID: "act", Title: "Tell people:"},
		&cobra.Group{ID: "help", Title: "More:"},
	)
	root.SetHelpCommandGroupID("help")
	root.AddCommand(
		runCommand(&o), demoCommand(), checkCommand(&o), tryCommand(&o), provisionCommand(&o),
		listCommand(&o), showCommand(&o), whyCommand(&o), eventsCommand(&o),
		testCommand(&o), ackCommand(&o), silenceCommand(&o), forgetCommand(&o), pendingCommand(&o), replayCommand(&o),
		versionCommand(),
	)
	return root
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return process.Usagef("unknown command %q%s (see %s --help)", args[0], hint, c.CommandPath())
}

// takes demands exactly the arguments that are named.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return process.Usagef("%s: %s is missing; write: %s", c.Name(), names[len(args)], c.UseLine())
		case len(args) > len(names):
			return process.Usagef("%s: unexpected argument %q; write: %s", c.Name(), args[len(names)], c.UseLine())
		}
		return nil
	}
}

func (o *options) addFile(c *cobra.Command) {
	c.Flags().StringVarP(&o.file, "config", "c", os.Getenv("AUTHWATCH_CONFIG"), "the configuration `FILE` (or the variable AUTHWATCH_CONFIG)")
}

func (o *options) needFile(c *cobra.Command) error {
	if o.file == "" {
		return process.Usagef("%s: no configuration file given; write: authwatch %[1]s -c FILE", c.Name())
	}
	return nil
}

// load reads the configuration file.
func (o *options) load(c *cobra.Command) (standalone.Config, error) {
	if err := o.needFile(c); err != nil {
		return standalone.Config{}, err
	}
	return standalone.Load(o.file)
}

func (o *options) addAPI(c *cobra.Command) {
	address := cmp.Or(os.Getenv("AUTHWATCH_API"), defaultAPI)
	c.Flags().StringVar(&o.api, "api", address, "the status API, `URL` (or the variable AUTHWATCH_API)")
}

func (o *options) addOutput(c *cobra.Command) {
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	c.PreRunE = func(*cobra.Command, []string) error {
		if o.output != "text" && o.output != "json" {
			return process.Usagef("-o %s: write text or json", o.output)
		}
		return nil
	}
}

func (o *options) json() bool { return o.output == "json" }

func printer(c *cobra.Command) *terminal.Printer { return terminal.New(c.OutOrStdout()) }
