package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/advice"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/verdict"
	"github.com/authwatch/authwatch/services/standalone"
)

func tryCommand(o *options) *cobra.Command {
	var tokenFile string
	c := &cobra.Command{
		Use:     "try WORKLOAD -c FILE",
		GroupID: "run",
		Short:   "Ask an upstream whether it accepts a token, before it is used",
		Long: `try sends one request with a token to the upstream of a workload, and says whether
it was accepted. It needs no running authwatch and publishes nothing. An MCP server
is asked server/discover, or to initialize a session that is then ended; an HTTP
service gets the request of the workload's probe, or a GET of its upstream.`,
		Args: takes("WORKLOAD"),
	}
	o.addFile(c)
	c.Flags().StringVar(&tokenFile, "token-file", "", "try the token in this `FILE`, not the workload's own")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := o.load(c)
		if err != nil {
			return err
		}
		w, err := findWorkload(&cfg, args[0])
		if err != nil {
			return err
		}
		source, say := w.Credential, advice.Case.Text
		if tokenFile != "" {
			// What the proxy does on its own it does not do for this file.
			source, say = w.Credential.FromFile(tokenFile), advice.Case.What
		}
		s, err := readToken(c.Context(), source)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		if !s.Usable() {
			return fmt.Errorf("%s: %s", w.Name, say(missing(s)))
		}
		trial, err := proxy.Try(c.Context(), *w, s)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		if trial.Verdict != verdict.Accepted {
			return &process.ExitError{Code: process.ExitProblem, Err: fmt.Errorf("%s: %s", w.Name, problemText(trial, s, say))}
		}
		p := printer(c)
		p.Line("%s: %s, token %s: %s", w.Name, p.Green(trial.Result()), s.Fingerprint, trialText(trial))
		return nil
	}
	return c
}

func findWorkload(cfg *standalone.Config, name string) (*proxy.Workload, error) {
	names := map[string]bool{}
	for i := range cfg.Proxy.Workloads {
		w := &cfg.Proxy.Workloads[i]
		if w.Name == name {
			return w, nil
		}
		names[w.Name] = true
	}
	return nil, process.Usagef("no workload is named %q%s", name, config.Suggest(name, names))
}

func readToken(ctx context.Context, c credential.Config) (*credential.Snapshot, error) {
	source, err := credential.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return source.Reread(ctx), nil
}

func missing(s *credential.Snapshot) advice.Case {
	return advice.Case{
		Status: events.StatusMissing, Source: events.ParseSource(s.Source), Reason: s.Problem, Detail: s.Detail,
	}
}

func describeToken(s *credential.Snapshot) string {
	text := "token read from " + s.Source + ", fingerprint " + s.Fingerprint
	if !s.ExpiresAt.IsZero() {
		text += ", expires " + localTime(s.ExpiresAt)
	}
	return text
}

// trialText is what the upstream said: "POST server/discover answered 200".
func trialText(t proxy.Trial) string {
	if t.Status == 0 {
		return t.Detail
	}
	text := fmt.Sprintf("%s answered %d", t.Request, t.Status)
	if c := t.Challenge; c != nil {
		text += ", " + strings.TrimSpace(c.Scheme+" "+c.Error)
		if c.ErrorDescription != "" {
			text += ": " + c.ErrorDescription
		}
	}
	return terminal.Clean(text)
}

// problemText is a trial that did not end in an acceptance, and what to do about it.
func problemText(t proxy.Trial, s *credential.Snapshot, say func(advice.Case) string) string {
	text := t.Detail
	if t.Verdict == verdict.Rejected {
		text = say(advice.Case{
			Status: events.StatusUnauthenticated, Source: events.ParseSource(s.Source), Reason: t.Reason,
			Response: &events.Response{Status: t.Status, Challenge: t.Challenge},
		})
	}
	text = t.Result() + ": " + text
	if t.Status != 0 {
		text += " (" + trialText(t) + ")"
	}
	return terminal.Clean(text)
}
