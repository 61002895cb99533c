package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/authwatch/authwatch/events"
)

const (
	maxOutput = 64 << 10 // of a helper
	maxErrors = 2 << 10
	// lastWords is how long a helper's pipes may stay open after its end.
	lastWords = 2 * time.Second
)

// helper is a program that prints a token.
type helper struct {
	command []string
	timeout time.Duration
}

func (*helper) changed() bool { return false }

func (h *helper) read(ctx context.Context) (reading, *failure) {
	// A helper may use up a refresh token: it is not ended before its time.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
	defer cancel()
	out, complaints := head{most: maxOutput}, head{most: maxErrors}
	cmd := exec.CommandContext(own, h.command[0], h.command[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = lastWords
	killGroup(cmd)
	if err := cmd.Run(); err != nil {
		if own.Err() != nil {
			return reading{}, &failure{problem: events.ProblemFailed, detail: fmt.Sprintf("it took longer than %s", h.timeout)}
		}
		return reading{}, h.failed(err, complaints.String())
	}
	if out.cut {
		return reading{}, malformed("it printed more than %d bytes", maxOutput)
	}
	return parseOutput(out.String())
}

// failed explains err, with the first line of what the helper wrote to stderr.
func (h *helper) failed(err error, complaints string) *failure {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return &failure{problem: events.ProblemNotFound, detail: "no such program"}
	case errors.As(err, &pe):
		return &failure{problem: events.ProblemUnread, detail: pe.Err.Error()}
	}
	detail := "it failed"
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		detail = "it ended with " + exit.String()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(complaints), "\n")
	return &failure{problem: events.ProblemFailed, detail: detail, said: line}
}

func parseOutput(out string) (reading, *failure) {
	out = strings.TrimSpace(out)
	switch {
	case out == "":
		return reading{}, &failure{problem: events.ProblemEmpty, detail: "it printed nothing"}
	case out[0] != '{':
		return reading{token: out}, nil
	}
	var answer struct {
		Token     string  `json:"token"`
		ExpiresAt *string `json:"expires_at"`
	}
	// The error would quote what was printed.
	if json.Unmarshal([]byte(out), &answer) != nil {
		return reading{}, malformed(`it printed neither a token nor JSON like {"token": "…", "expires_at": "2027-01-31T12:00:00Z"}`)
	}
	if answer.Token == "" {
		return reading{}, &failure{problem: events.ProblemEmpty, detail: `it printed JSON without a "token"`}
	}
	r := reading{token: answer.Token}
	if answer.ExpiresAt != nil && *answer.ExpiresAt != "" {
		at, err := time.Parse(time.RFC3339, *answer.ExpiresAt)
		if err != nil {
			return reading{}, malformed("its expires_at is not a time in RFC 3339, as 2027-01-31T12:00:00Z")
		}
		r.expires = at
	}
	return r, nil
}

func malformed(format string, args ...any) *failure {
	return &failure{problem: events.ProblemMalformed, detail: fmt.Sprintf(format, args...)}
}

// head keeps the beginning of what is written to it.
type head struct {
	strings.Builder
	most int
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	keep := min(len(p), h.most-h.Len())
	h.Builder.Write(p[:keep])
	h.cut = h.cut || keep < len(p)
	return len(p), nil
}

// killGroup makes the end of its context end what cmd has started, too: a shell
// script would leave its children behind.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
