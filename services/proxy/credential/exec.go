package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/child"
)

const (
	maxOutput = 64 << 10 // of a helper
	maxErrors = 2 << 10
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
	out, complaints := child.Head{Most: maxOutput}, child.Head{Most: maxErrors}
	cmd := child.Command(own, h.command)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		if own.Err() != nil {
			return reading{}, &failure{problem: events.ProblemFailed, detail: fmt.Sprintf("it took longer than %s", h.timeout)}
		}
		return reading{}, h.failed(err, complaints.String())
	}
	if out.Cut {
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
