package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestAChangedFileIsToldHoweverItIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	// As Kubernetes mounts it: file -> ..data/file, ..data -> a folder of this version.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "v1"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "v2"), 0o700))
	write("v1/authwatch.yaml", "a: 1")
	write("v2/authwatch.yaml", "a: 2")
	require.NoError(t, os.Symlink("v1", filepath.Join(dir, "..data")))
	file := filepath.Join(dir, "authwatch.yaml")
	require.NoError(t, os.Symlink("..data/authwatch.yaml", file))

	seen := make(chan string, 10)
	hangup := make(chan os.Signal)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := Watch{File: file, Log: quiet(), Changed: func(context.Context) error {
		content, err := os.ReadFile(file)
		if err != nil {
			content = []byte(err.Error())
		}
		seen <- string(content)
		return nil
	}}
	go func() { done <- w.follow(ctx, hangup) }()
	hangup <- syscall.SIGHUP
	require.Equal(t, "a: 1", <-seen, "a signal asks, changed or not")

	require.NoError(t, os.Symlink("v2", filepath.Join(dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
	require.Equal(t, "a: 2", <-seen)

	require.NoError(t, os.Rename(write("tmp", "a: 3"), file))
	require.Equal(t, "a: 3", <-seen)

	write("neighbour", "x")
	write("authwatch.yaml", "a: 4")
	require.Equal(t, "a: 4", <-seen, "once, and nothing for the neighbour")

	write("authwatch.yaml", "a: 1")
	require.Equal(t, "a: 1", <-seen, "what it once held is a change too")
	cancel()
	require.NoError(t, <-done)
	require.Empty(t, seen)
}

func TestAFolderThatIsNeverQuietDoesNotHideAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "authwatch.yaml")
	require.NoError(t, os.WriteFile(file, []byte("a: 1"), 0o600))
	seen := make(chan struct{}, 1)
	hangup := make(chan os.Signal)
	w := Watch{File: file, Log: quiet(), Changed: func(context.Context) error {
		seen <- struct{}{}
		return nil
	}}
	go func() { _ = w.follow(t.Context(), hangup) }()
	hangup <- syscall.SIGHUP
	<-seen

	require.NoError(t, os.WriteFile(file, []byte("a: 2"), 0o600))
	require.Eventually(t, func() bool {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "log"), []byte("line"), 0o600))
		return len(seen) == 1
	}, eventually, tick)
}

func TestAMetricSaysThatAChangeWasRefusedUntilOneIsNot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "authwatch.yaml")
	require.NoError(t, os.WriteFile(file, []byte("a: 1"), 0o600))
	reg := prometheus.NewRegistry()
	var outcome error
	w := Watch{File: file, Log: quiet(), Metrics: reg, Changed: func(context.Context) error { return outcome }}
	hangup := make(chan os.Signal)
	go func() { _ = w.follow(t.Context(), hangup) }()
	is := func(want string) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP authwatch_config_last_reload_successful 1 while the configuration file is in force as it is, 0 since a change of it was refused.
# TYPE authwatch_config_last_reload_successful gauge
authwatch_config_last_reload_successful `+want+"\n"), "authwatch_config_last_reload_successful") == nil
		}
	}
	require.Eventually(t, is("1"), eventually, tick, "what was read at the start is in force")
	outcome = errors.New("unknown key")
	hangup <- syscall.SIGHUP
	require.Eventually(t, is("0"), eventually, tick)
	outcome = nil
	hangup <- syscall.SIGHUP
	require.Eventually(t, is("1"), eventually, tick)
}
