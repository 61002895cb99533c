package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func checkCommand(o *options) *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use:     "check -c FILE",
		GroupID: "run",
		Short:   "Check the configuration and the tokens",
		Long: `check reads FILE as run does, and the token of every workload. It uses no network
and runs no helper. With --online it does, and asks every upstream whether it
accepts its token.

The exit code is 2 if run would refuse to start, and 1 if a token cannot be used.
With a bad token run starts all the same, and uses the token once it is good.`,
		Args: takes(),
	}
	o.addFile(c)
	c.Flags().BoolVar(&online, "online", false, "ask every upstream whether it accepts the token")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := o.load(c)
		if err != nil {
			return err
		}
		p := printer(c)
		p.Line("%s: %s, %s, %s", o.file, count(len(cfg.Proxy.Workloads), "workload"),
			count(len(cfg.Notifier.Receivers), "receiver"), count(len(cfg.Notifier.Routes), "route"))
		var rows [][]terminal.Cell
		var bad []error
		for i := range cfg.Proxy.Workloads {
			w := &cfg.Proxy.Workloads[i]
			state, err := "leads back here", errLeadsHere
			if !online || !cfg.Proxy.LeadsHere(c.Context(), w, net.DefaultResolver) {
				state, err = checkWorkload(c.Context(), w, online)
			}
			cell := terminal.Cell{Text: state, Style: p.Green}
			if err != nil {
				bad = append(bad, fmt.Errorf("%s: %w", w.Name, err))
				cell.Style = p.Red
			}
			rows = append(rows, []terminal.Cell{{Text: "  " + w.Name}, cell})
		}
		p.Table(rows)
		if len(bad) > 0 {
			return &process.ExitError{Code: process.ExitProblem, Err: errors.Join(bad...)}
		}
		return nil
	}
	return c
}

var errLeadsHere = errors.New("the name of the upstream is one of this machine, where authwatch itself listens; name the remote server")

// checkWorkload describes the state of a workload's token. The error says what is
// wrong with it and what to do.
func checkWorkload(ctx context.Context, w *proxy.Workload, online bool) (string, error) {
	switch {
	case w.ClientAuthorization == proxy.Passthrough:
		return "the client's own token is used", nil
	case !online && (w.Credential.Exec != nil || w.Credential.OAuth2 != nil):
		return "the token comes from a program or a token endpoint; use --online to ask for it", nil
	}
	s, err := readToken(ctx, w.Credential)
	switch {
	case err != nil:
		return "no usable token", err
	case !s.Usable():
		return "no usable token", errors.New(missing(s).Text())
	case !online:
		return describeToken(s), nil
	}
	trial, err := proxy.Try(ctx, *w, s)
	if err != nil {
		return "cannot be tried", err
	}
	if trial.Verdict != verdict.Accepted {
		err = errors.New(problemText(trial, s, advice.Case.Text))
	}
	return trial.Result() + ": " + trialText(trial), err
}
