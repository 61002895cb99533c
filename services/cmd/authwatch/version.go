package main

import (
	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/internal/process"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: "help",
		Short:   "Which release this is",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			printer(c).Line("authwatch %s", process.Version())
			return nil
		},
	}
}
