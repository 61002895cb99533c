//go:build stack

package stack

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

var jsBlock = regexp.MustCompile("(?s)```js\n(.*?)```")

// The program of docs/subscribe.md, with the packages of npm, reads what other
// tests call golden: the events as the services write them.
func TestTheNodeSubscriberOfTheDocumentsReadsAndValidates(t *testing.T) {
	t.Parallel()
	modules := nodeModules(t)
	text, err := os.ReadFile(root + "/docs/subscribe.md")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "subscriber.js")
	require.NoError(t, os.WriteFile(program, []byte(jsBlock.FindStringSubmatch(string(text))[1]), 0o600))

	url := broker(t)
	fill(t, url, 0)
	status, err := jetstream.New(login(t, url, "status", "status-password").Conn)
	require.NoError(t, err)
	// Every golden event has the same id, and a subscriber passes over what it has seen.
	store := func(typ, id string) {
		data, err := os.ReadFile(filepath.Join(root, "events/testdata/golden", typ+".v1.json"))
		require.NoError(t, err)
		data = bytes.Replace(data, []byte("019ab63c-e641-70bf-aa76-38d070ceff9d"), []byte(id), 1)
		_, err = status.Publish(t.Context(), typ+".github", data)
		require.NoError(t, err)
	}
	store("status.changed", "1")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, "node", program)
	c.Env = append(os.Environ(), "NODE_PATH="+modules, "SCHEMAS="+filepath.Join(must(filepath.Abs(root)), "events/schemas"),
		"NATS_SERVER="+url, "NATS_PASSWORD=subscriber-password")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "what was stored before is not read")
	require.Equal(t, "status.changed github unauthenticated", lines.Text())
	store("status.updated", "2")
	require.True(t, lines.Scan(), "what is stored now is not read")
	require.Regexp(t, `^status\.updated github `, lines.Text())
}

// nodeModules is a folder with the packages that the program needs.
func nodeModules(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("NODE_PATH"); path != "" {
		return path
	}
	dir := t.TempDir()
	wanted, err := os.ReadFile("testdata/package.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), wanted, 0o600))
	out, err := exec.Command("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return filepath.Join(dir, "node_modules")
}
