package e2e_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take that takes milliseconds on an idle
// machine: it only matters when a test fails.
const patience = 30 * time.Second

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a running binary.
type process struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{}
}

// start runs a binary that ends with the test at the latest. One without a
// folder in its name is one of ours.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	path := name
	if filepath.Base(name) == name {
		path = filepath.Join(bin, name)
	}
	p := &process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %s\nstdout:\n%s\nstderr:\n%s", name, strings.Join(args, " "), p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop asks the process to end, as a service manager would.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t)
	require.Zero(t, p.code(), "exit code after SIGTERM")
}

func (p *process) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.Fail(t, "the process does not end", p.cmd.String())
	}
}

func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// authwatch runs a command to its end.
func authwatch(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, "authwatch", args...)
	p.wait(t)
	return p
}

// ready waits until the admin listener at address says so.
func (p *process) ready(t *testing.T, address string) {
	t.Helper()
	p.answers(t, "http://"+address+"/readyz")
}

// alive waits until there is an admin listener at address, whatever it waits for.
func (p *process) alive(t *testing.T, address string) {
	t.Helper()
	p.answers(t, "http://"+address+"/healthz")
}

// answers waits until something at url says that all is well.
func (p *process) answers(t *testing.T, url string) {
	t.Helper()
	ended := false
	eventually(t, "200 from "+url, func() bool {
		select {
		case <-p.ended:
			ended = true
			return true
		default:
		}
		resp, err := get(t.Context(), url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	require.False(t, ended, "the process has ended: %s", p.stderr.String())
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, what)
}

// write puts a file into place at once, as an operator's tools do.
func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

func splitAddress(t *testing.T, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return host, port
}
