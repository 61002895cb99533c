package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/standalone"
)

func checkCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "check -c FILE",
		GroupID: "run",
		Short:   "Is the configuration right, and are the tokens there",
		Long: `check reads FILE as run would, and the token of every workload. It uses no network.

It exits with 2 where run would refuse to start, and with 1 where a token cannot
be used: run starts all the same, and uses the token as soon as it is good.`,
		Args: takes(),
	}
	o.addFile(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.needFile(c); err != nil {
			return err
		}
		cfg, err := standalone.Load(o.file)
		if err != nil {
			return err
		}
		p := printer(c)
		rows, err := checkTokens(c.Context(), p, cfg.Proxy.Workloads)
		p.Line("%s: %s, %s, %s", o.file, count(len(cfg.Proxy.Workloads), "workload"),
			count(len(cfg.Notifier.Receivers), "receiver"), count(len(cfg.Notifier.Routes), "route"))
		p.Table(rows)
		if err != nil {
			return &process.ExitError{Code: process.ExitProblem, Err: err}
		}
		return nil
	}
	return c
}

// checkTokens reads every token that can be read without a network. Its error
// says which cannot be used.
func checkTokens(ctx context.Context, p *terminal.Printer, workloads []proxy.Workload) ([][]terminal.Cell, error) {
	var rows [][]terminal.Cell
	var bad []error
	for _, w := range workloads {
		state := terminal.Cell{Text: "the client's own token is used"}
		switch {
		case w.ClientAuthorization == proxy.Passthrough:
		case w.Credential.Exec != nil || w.Credential.OAuth2 != nil:
			state.Text = "its token comes from a program or a token endpoint; not asked"
		default:
			s, err := readToken(ctx, w.Credential)
			if err != nil {
				bad = append(bad, fmt.Errorf("%s: %w", w.Name, err))
				state = terminal.Cell{Text: "no usable token", Style: p.Red}
				break
			}
			state = terminal.Cell{Text: describeToken(s), Style: p.Green}
		}
		rows = append(rows, []terminal.Cell{{Text: "  " + w.Name}, state})
	}
	return rows, errors.Join(bad...)
}

func readToken(ctx context.Context, c credential.Config) (*credential.Snapshot, error) {
	source, err := credential.New(c, credential.Options{})
	if err != nil {
		return nil, err
	}
	s := source.Reread(ctx)
	if !s.Usable() {
		return nil, fmt.Errorf("%s: %s; put the token there, it is picked up at once, no restart", s.Source, s.Detail)
	}
	return s, nil
}

func describeToken(s *credential.Snapshot) string {
	text := "token read from " + s.Source + ", fingerprint " + s.Fingerprint
	if !s.ExpiresAt.IsZero() {
		text += ", expires " + clock(s.ExpiresAt)
	}
	return text
}
