package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

// asProgram makes the test binary run Main instead of the tests.
const (
	eventually = 10 * time.Second
	tick       = 5 * time.Millisecond
)

const asProgram = "AUTHWATCH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
		os.Exit(m.Run())
	case "drain":
		Main(func(ctx context.Context) error {
			fmt.Println("started")
			<-ctx.Done()
			return errors.New("drained")
		})
	case "hang":
		Main(func(ctx context.Context) error {
			fmt.Println("started")
			<-ctx.Done()
			fmt.Println("hanging")
			select {}
		})
	}
}

func TestASignalEndsTheContextAndTheErrorIsTheOnlyOutput(t *testing.T) {
	t.Parallel()
	p := start(t, "drain")
	p.expect("started")
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Equal(t, ExitProblem, p.wait())
	require.Equal(t, "drained\n", p.stderr.String())
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, "hang")
	p.expect("started")
	require.NoError(t, p.Process.Signal(syscall.SIGINT))
	p.expect("hanging")
	ended := make(chan int, 1)
	go func() { ended <- p.wait() }()
	// The default handler is back soon after the context ended; a signal
	// before that is swallowed.
	require.Eventually(t, func() bool {
		_ = p.Process.Signal(syscall.SIGINT)
		return len(ended) == 1
	}, eventually, tick)
	require.Equal(t, -1, <-ended, "ended by the signal")
}

func TestExitCodesTellAProblemFromWrongUsage(t *testing.T) {
	t.Parallel()
	problem := config.Problem{Path: "listen", Text: "in use"}
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{errors.New("broken"), 1, "broken\n"},
		{&ExitError{Code: 1}, 1, ""},
		{fmt.Errorf("wrapped: %w", &ExitError{Code: 2, Err: errors.New("why")}), 2, "wrapped: why\n"},
		{Usagef("unexpected %q", "x"), 2, "unexpected \"x\"\n"},
		{problem, 2, "listen: in use\n"},
		{fmt.Errorf("proxy: %w", problem), 2, "proxy: listen: in use\n"},
		{config.Errors{{File: "a.yaml", Line: 1, Text: "b"}, {File: "a.yaml", Line: 2, Text: "c"}}, 2, "a.yaml:1: b\na.yaml:2: c\n"},
	} {
		var out strings.Builder
		require.Equal(t, c.code, report(&out, c.err))
		require.Equal(t, c.text, out.String())
	}
}

type program struct {
	*exec.Cmd
	t      *testing.T
	lines  *bufio.Scanner
	stderr strings.Builder
}

func start(t *testing.T, mode string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0]), t: t}
	p.Env = append(os.Environ(), asProgram+"="+mode)
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.lines = bufio.NewScanner(out)
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

func (p *program) expect(line string) {
	p.t.Helper()
	require.True(p.t, p.lines.Scan(), "the program ended before it said %q", line)
	require.Equal(p.t, line, p.lines.Text())
}

func (p *program) wait() int {
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}
