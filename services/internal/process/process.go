// Package process is the shell around the services, written once: signals, exit
// codes, logs, ordered shutdown, and the admin listener with health, readiness
// and metrics.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Exit codes of every command.
const (
	ExitProblem = 1 // a problem was found, or the program failed
	ExitUsage   = 2 // wrong usage or configuration
)

// ExitError ends the program with Code. Err may be nil: then nothing is printed.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Usagef returns an error about how the program was called or configured.
func Usagef(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Main runs a program and exits. SIGINT and SIGTERM end the context; a second
// one ends the process at once.
func Main(run func(ctx context.Context) error) {
	root := context.Background() //nolint:forbidigo // every process starts here
	ctx, stop := signal.NotifyContext(root, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the next signal does what it does by default
	os.Exit(report(os.Stderr, run(ctx)))
}

// report prints err and returns the exit code for it.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code := ExitProblem
	if ee, ok := errors.AsType[*ExitError](err); ok {
		code = ee.Code
		if ee.Err == nil {
			return code
		}
	} else if isConfig(err) {
		code = ExitUsage
	}
	_, _ = fmt.Fprintln(w, err)
	return code
}

// isConfig reports whether the configuration file has to change.
func isConfig(err error) bool {
	_, located := errors.AsType[*config.Error](err)
	_, problem := errors.AsType[config.Problem](err)
	return located || problem
}
