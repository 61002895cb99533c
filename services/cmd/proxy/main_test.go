package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheBinaryNeedsAServerAndSaysSo(t *testing.T) {
	t.Parallel()
	path := write(t, "data_dir: .\nproxy: {}\n")
	err := run(t.Context(), path, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, path+": nats.url: is required: this binary embeds no server")
}

func TestSectionsOfOtherServicesAreTheirs(t *testing.T) {
	t.Parallel()
	f, _, err := load(write(t, `
nats: {url: "nats://nats:4222", listen: 127.0.0.1:4222, users: [{name: a}]}
proxy: {admin_listen: 127.0.0.1:1}
status: {whatever: "${env:AUTHWATCH_TEST_NOT_SET}"}
`))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", f.Proxy.AdminListen)

	path := write(t, "nats: {url: nats://nats:4222}\nproxy: {admin_listn: a}\nstatux: {}\n")
	_, _, err = load(path)
	require.EqualError(t, err, path+`:2: proxy: unknown key "admin_listn"; did you mean "admin_listen"?
`+path+`:3: unknown key "statux"; did you mean "status"?`)
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authwatch.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
