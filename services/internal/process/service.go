package process

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Service is a binary that runs one service.
type Service struct {
	Name string // of the binary
	// Run reads the configuration file and blocks until ctx ends.
	Run func(ctx context.Context, file string, log *slog.Logger) error
	// Admin returns the address of the admin listener that file names.
	Admin func(file string) (string, error)
}

// Main is the command line of a service.
func (s Service) Main() {
	Main(func(ctx context.Context) error { return s.call(ctx, os.Args[1:], os.Stdout) })
}

const serviceUsage = `usage: %[1]s -c FILE [-log-level debug|info|warn|error]
       %[1]s healthcheck -c FILE   ask the running %[1]s whether it is ready
       %[1]s -version
`

func (s Service) call(ctx context.Context, args []string, out io.Writer) error {
	health := len(args) > 0 && args[0] == "healthcheck"
	if health {
		args = args[1:]
	}
	flags := flag.NewFlagSet(s.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("c", "", "")
	showVersion := flags.Bool("version", false, "")
	var level slog.Level
	flags.TextVar(&level, "log-level", slog.LevelInfo, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = fmt.Fprintf(out, serviceUsage, s.Name)
		return err
	case err != nil:
		return Usagef("%w; see %s -h", err, s.Name)
	case *showVersion:
		_, err = fmt.Fprintln(out, s.Name, Version())
		return err
	case flags.NArg() > 0:
		return Usagef("unexpected argument %q; see %s -h", flags.Arg(0), s.Name)
	case *file == "":
		return Usagef("no configuration file given; run %s -c FILE", s.Name)
	case health:
		address, err := s.Admin(*file)
		if err != nil {
			return err
		}
		return healthcheck(ctx, address)
	}
	return s.Run(ctx, *file, Logger(os.Stderr, level))
}
