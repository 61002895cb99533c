package receiver

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// script is a program that runs the lines.
func script(t *testing.T, lines string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, []byte(lines+"\n"), 0o600))
	return []string{"/bin/sh", file}
}

func TestACommandGetsTheEventAndItsArguments(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	program := script(t, `printf '%s|' "$@" > `+out+`.args; cat > `+out+`; echo rotated`)
	m := opened(t)
	m.Workloads[0].Reason = "$(id) `id` ; id\x00 --flag"
	c := Config{Command: &Command{Argv: append(program, "{{ .Workload.Workload }}", "--reason={{ .Workload.Reason }}", "", "*")}}
	a := send(t, c, m)
	require.Equal(t, plan.Result{Outcome: plan.Delivered, Output: "rotated"}, a)
	args, err := os.ReadFile(out + ".args")
	require.NoError(t, err)
	require.Equal(t, "github|--reason=$(id) `id` ; id --flag||*|", string(args), "no shell reads them")
	body, err := os.ReadFile(out)
	require.NoError(t, err)
	var e struct {
		ID, Type, Subject string
		Data              struct{ Kind string }
	}
	require.NoError(t, json.Unmarshal(body, &e))
	require.Equal(t, m.ID, e.ID)
	require.Equal(t, "alert.opened", e.Type)
	require.Equal(t, "github", e.Subject)
	require.Equal(t, "opened", e.Data.Kind)
}

func TestTheExitCodeOfACommandIsItsAnswer(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]plan.Result{
		"exit 0":                  {Outcome: plan.Delivered},
		"exec <&-; exit 0":        {Outcome: plan.Delivered},
		"echo later; exit 75":     {Outcome: plan.Retry, Status: 75, Error: "exit code 75: later"},
		"echo no >&2; exit 1":     {Outcome: plan.Rejected, Status: 1, Error: "exit code 1: no"},
		"exit 255":                {Outcome: plan.Rejected, Status: 255, Error: "exit code 255"},
		"kill -9 $$":              {Outcome: plan.Retry, Uncertain: true, Error: "signal: killed"},
		"printf 'a\\nb\\033[31m'": {Outcome: plan.Delivered, Output: "a b [31m"},
	} {
		c := Config{Command: &Command{Argv: script(t, lines)}}
		require.Equal(t, want, send(t, c, opened(t)), lines)
	}
	c := Config{Command: &Command{Argv: script(t, "yes")}}
	r := build(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	a := r.Send(ctx, opened(t))
	require.Equal(t, plan.Retry, a.Outcome)
	require.True(t, a.Uncertain)
	require.LessOrEqual(t, len(a.Error), 250)

	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700))
	r = build(t, Config{Command: &Command{Argv: []string{program}}})
	require.NoError(t, os.Remove(program))
	a = r.Send(t.Context(), opened(t))
	require.Equal(t, plan.Refused, a.Outcome)
	require.Equal(t, "it cannot be started: no such file or directory", a.Error)
}

func TestACommandThatTakesTooLongEndsWithItsChildren(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	r := build(t, Config{Command: &Command{Argv: script(t, "sleep 60 & echo $! > "+pid+"; wait")}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan plan.Result, 1)
	m := opened(t)
	go func() { done <- r.Send(ctx, m) }()
	var child string
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(pid)
		child = strings.TrimSpace(string(text))
		return child != ""
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.Equal(t, plan.Retry, (<-done).Outcome)
	require.Eventually(t, func() bool {
		state, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	}, 10*time.Second, 5*time.Millisecond)
}

func TestACommandRunsOncePerCredentialIfItIsToldTo(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	c := Config{Command: &Command{Argv: script(t, "echo run >> "+log), OncePerCredential: true}}
	r := build(t, c)
	runs := func() int {
		text, _ := os.ReadFile(log)
		return strings.Count(string(text), "run")
	}
	first, other := opened(t), group(t, 3)
	require.Equal(t, plan.Delivered, r.Send(t.Context(), first).Outcome)
	require.Equal(t, 1, runs())
	require.Contains(t, r.Send(t.Context(), other).Output, "not run")
	require.Equal(t, 1, runs())
	replaced := *other.Workloads[1].Credential
	replaced.Fingerprint = "abc"
	other.Workloads[1].Credential = &replaced
	require.Empty(t, r.Send(t.Context(), other).Output)
	require.Equal(t, 2, runs())
	require.Empty(t, r.Send(t.Context(), resolved(t)).Output)
	require.Equal(t, 3, runs(), "what is no opening is told as ever")
}

func TestACommandThatCannotWorkIsAProblem(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	for path, argv := range map[string][]string{
		"command.argv":    nil,
		"command.argv[0]": {"rotate"},
		"command.argv[1]": {"/bin/true", "{{ .Nope }}"},
		"command.argv[2]": {"/bin/true", "x", "{{ (index .Workloads 0).Workload }}"},
	} {
		ps := (&Config{Name: "x", Command: &Command{Argv: argv}}).Problems()
		require.Len(t, ps, 1, path)
		require.Equal(t, path, ps[0].Path)
	}
	require.NotEmpty(t, (&Config{Name: "x", Command: &Command{Argv: []string{plain}}}).Problems(), "it is no program")
	require.Equal(t, 2*time.Minute, (&Config{Command: &Command{Timeout: config.Duration(2 * time.Minute)}}).Patience())
	require.Equal(t, time.Minute, (&Config{Command: &Command{}}).Patience())
}
