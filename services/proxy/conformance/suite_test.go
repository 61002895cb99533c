//go:build conformance

package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// result is what the suite found: of each scenario its checks, "id: STATUS".
type result map[string][]string

// passed returns the scenarios without a failed check.
func (r result) passed() []string {
	var names []string
	for name, checks := range r {
		if !slices.ContainsFunc(checks, failed) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func failed(check string) bool { return strings.HasSuffix(check, ": FAILURE") }

func (r result) String() string {
	checks := slices.Concat(slices.Collect(maps.Values(r))...)
	all := len(checks)
	good := len(slices.DeleteFunc(checks, failed))
	return fmt.Sprintf("%d of %d scenarios pass, %d of %d checks fail", len(r.passed()), len(r), all-good, all)
}

// folder is where the suite puts the checks of a scenario.
var folder = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$`)

// runSuite runs everything that a revision requires of a server, and what the
// suite reports about it without scoring it. A required scenario that does not
// pass fails the test.
func runSuite(t *testing.T, url, revision string) result {
	t.Helper()
	tools := os.Getenv("CONFORMANCE")
	require.NotEmpty(t, tools, "CONFORMANCE names the programs of the npm packages conformance and node; make conformance-test sets it")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := t.TempDir()
	cmd := exec.CommandContext(ctx, filepath.Join(tools, "node"), filepath.Join(tools, "conformance"),
		"server", "--url", url, "--requirements", revision, "--output-dir", out)
	cmd.WaitDelay = 5 * time.Second
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return read(t, out)
}

// read collects the results of the scenarios, each in a folder of its own.
func read(t *testing.T, dir string) result {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	r := make(result, len(files))
	for _, file := range files {
		name := folder.FindStringSubmatch(filepath.Base(filepath.Dir(file)))
		require.NotNil(t, name, file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var checks []struct{ ID, Status string }
		require.NoError(t, json.Unmarshal(text, &checks), file)
		r[name[1]] = []string{}
		for _, c := range checks {
			r[name[1]] = append(r[name[1]], c.ID+": "+c.Status)
		}
	}
	return r
}

// buildServer builds the official SDK's conformance server, of the version that
// go.mod names.
func buildServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "everything-server")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return binary
}

// startServer returns the address of a server that ends with the test.
func startServer(t *testing.T, binary, mode string) string {
	t.Helper()
	addr := natstest.FreeAddress(t)
	var printed bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "-http", addr, mode)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Wait() // t.Context() has ended, and the server with it
		if t.Failed() {
			t.Logf("server:\n%s", printed.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 10*time.Second, 10*time.Millisecond)
	return "http://" + addr + "/mcp"
}
