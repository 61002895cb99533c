package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/authwatch/authwatch/services/internal/process"
)

// command is the command line of a program.
type command[P Program] struct {
	name string // of the binary, and of the section of its service
	// blank returns a configuration with the defaults.
	blank func() P
}

// Main runs a program and exits.
func Main[P Program](name string, blank func() P) {
	c := command[P]{name: name, blank: blank}
	process.Main(func(ctx context.Context) error { return c.call(ctx, os.Args[1:], os.Stdout) })
}

const usage = `usage: %[1]s -c FILE [-log-level debug|info|warn|error]
       %[1]s healthcheck -c FILE   ask the running %[1]s whether it is ready
       %[1]s -version
`

func (c command[P]) call(ctx context.Context, args []string, out io.Writer) error {
	health := len(args) > 0 && args[0] == "healthcheck"
	if health {
		args = args[1:]
	}
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("c", "", "")
	showVersion := flags.Bool("version", false, "")
	var level slog.Level
	flags.TextVar(&level, "log-level", slog.LevelInfo, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = fmt.Fprintf(out, usage, c.name)
		return err
	case err != nil:
		return process.Usagef("%w; see %s -h", err, c.name)
	case *showVersion:
		_, err = fmt.Fprintln(out, c.name, process.Version())
		return err
	case flags.NArg() > 0:
		return process.Usagef("unexpected argument %q; see %s -h", flags.Arg(0), c.name)
	case *file == "":
		return process.Usagef("no configuration file given; run %s -c FILE", c.name)
	case health:
		program := c.blank()
		if _, err := load(c.name, *file, program); err != nil {
			return err
		}
		return process.Healthcheck(ctx, program.Section().AdminListen)
	}
	return c.run(ctx, *file, process.Logger(os.Stderr, level))
}
