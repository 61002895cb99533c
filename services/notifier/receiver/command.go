package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/child"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Command runs a program of the user's with the CloudEvent of a webhook on its
// standard input. Exit code 0 is delivered, 75 (EX_TEMPFAIL) asks for another
// attempt, and any other refuses the message.
type Command struct {
	Argv    []string        `yaml:"argv"`    // templates but for the first: no shell reads them
	Timeout config.Duration `yaml:"timeout"` // 1m
	// OncePerCredential runs the program for the first message about a credential
	// that was rejected only, where that was delivered. The others of it are then
	// taken to be delivered too.
	OncePerCredential bool `yaml:"once_per_credential"`
}

const (
	commandTimeout = time.Minute
	commandOutput  = 4 << 10
	exitTempFail   = 75 // sysexits.h
	// mostHandled is how many credentials a command remembers.
	mostHandled = 10_000
)

func (*Command) rate() Rate { return Rate{} }

func (c *Command) problems() []config.Problem {
	if len(c.Argv) == 0 {
		return []config.Problem{{Path: "argv", Text: "is empty; it is the program and its arguments"}}
	}
	var ps []config.Problem
	if path := c.Argv[0]; !filepath.IsAbs(path) {
		ps = append(ps, config.Problem{Path: "argv[0]", Text: "is not an absolute path"})
	} else if _, err := exec.LookPath(path); err != nil {
		ps = append(ps, config.Problem{Path: "argv[0]", Text: reasonOf(err)})
	}
	if c.Timeout < 0 {
		ps = append(ps, config.Problem{Path: "timeout", Text: "is negative"})
	}
	for i := range c.Argv[1:] {
		path := fmt.Sprintf("argv[%d]", i+1)
		t, err := compile(path, c.Argv[i+1])
		if err != nil {
			ps = append(ps, config.Problem{Path: path, Text: err.Error()})
			continue
		}
		for _, m := range samples(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			if _, err := execute(t, templateData(m), maxTitle); err != nil {
				ps = append(ps, config.Problem{Path: path, Text: fmt.Sprintf("fails for an alert of kind %s: %v", m.Kind, err)})
				break
			}
		}
	}
	return ps
}

// reasonOf is an error about a program without its path, which the configuration
// shows.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func (c *Command) build(o Options) Receiver {
	r := &command{Command: *c, source: o.Source, handled: map[string]bool{}}
	for _, arg := range c.Argv[1:] {
		t, _ := compile("argv", arg) // has been checked
		r.args = append(r.args, t)
	}
	return r
}

type command struct {
	Command
	source string
	args   []*template.Template

	handled map[string]bool // credentials, by fingerprint; messages come one at a time
}

func (c *command) Send(ctx context.Context, m Message) plan.Result {
	keys := c.keys(m)
	if len(keys) > 0 && c.knows(keys) {
		return plan.Result{Outcome: plan.Delivered, Output: "not run: it ran for this credential before"}
	}
	r := c.run(ctx, m)
	if r.Outcome == plan.Delivered {
		if len(c.handled)+len(keys) > mostHandled {
			clear(c.handled)
		}
		for _, key := range keys {
			c.handled[key] = true
		}
	}
	return r
}

// keys are the credentials that an opening is about, where the program runs once
// for each.
func (c *command) keys(m Message) []string {
	if !c.OncePerCredential || m.Kind != events.KindOpened {
		return nil
	}
	var all []string
	for _, r := range m.Workloads {
		if r.Credential == nil || r.Credential.Fingerprint == "" {
			return nil
		}
		all = append(all, r.Credential.Fingerprint)
	}
	return all
}

func (c *command) knows(keys []string) bool {
	for _, key := range keys {
		if !c.handled[key] {
			return false
		}
	}
	return true
}

func (c *command) run(ctx context.Context, m Message) plan.Result {
	argv, err := c.argv(m)
	if err != nil {
		return plan.Result{Outcome: plan.Rejected, Error: oneLine(err.Error(), 200)}
	}
	e, err := alertEvent(c.source, m)
	if err != nil {
		return plan.Result{Outcome: plan.Rejected, Error: oneLine(err.Error(), 200)}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return plan.Result{Outcome: plan.Rejected, Error: oneLine(err.Error(), 200)}
	}
	out := child.Head{Most: commandOutput}
	cmd := child.Command(ctx, argv)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(body), &out, &out
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and left something running that holds its output
	}
	r := commandAnswer(ctx, err)
	r.Output = oneLine(out.String(), 240)
	if r.Error != "" && r.Output != "" {
		r.Error, r.Output = oneLine(r.Error+": "+r.Output, 240), ""
	}
	return r
}

func (c *command) argv(m Message) ([]string, error) {
	argv := []string{c.Argv[0]}
	for _, t := range c.args {
		arg := ""
		if t != nil {
			var err error
			if arg, err = execute(t, templateData(m), maxTitle); err != nil {
				return nil, err
			}
		}
		argv = append(argv, strings.ReplaceAll(arg, "\x00", ""))
	}
	return argv, nil
}

// commandAnswer says what the end of the program means. One that was killed, or
// took too long, may have done its work.
func commandAnswer(ctx context.Context, err error) plan.Result {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return plan.Result{Outcome: plan.Delivered}
	case ctx.Err() != nil:
		return plan.Result{Outcome: plan.Retry, Uncertain: true, Error: "it took too long and was ended"}
	case errors.Is(err, syscall.ETXTBSY), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return plan.Result{Outcome: plan.Retry, Error: "it cannot be started now: " + reasonOf(err)}
	case !ended:
		return plan.Result{Outcome: plan.Refused, Error: "it cannot be started: " + reasonOf(err)}
	case exit.ExitCode() == exitTempFail:
		return plan.Result{Outcome: plan.Retry, Status: exitTempFail, Error: "exit code 75"}
	case exit.ExitCode() < 0:
		return plan.Result{Outcome: plan.Retry, Uncertain: true, Error: exit.String()}
	}
	return plan.Result{Outcome: plan.Rejected, Status: exit.ExitCode(), Error: fmt.Sprintf("exit code %d", exit.ExitCode())}
}
