package stack

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// broker runs a nats-server with the shipped configuration.
func broker(t *testing.T) (url string) {
	t.Helper()
	return start(t, shipped(t, "nats.conf", "nats")).ClientURL()
}

// shipped are the options in a file of deploy/nats, with passwords and ports of
// the test's own.
func shipped(t *testing.T, config, name string, routes ...string) *server.Options {
	t.Helper()
	dir := t.TempDir()
	place := func(name, content string) {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	for _, file := range []string{"nats.conf", "cluster.conf", "users.conf"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy/nats", file))
		require.NoError(t, err)
		place("etc/nats/"+file, strings.ReplaceAll(string(text), "$NATS_NAME", name))
	}
	var passwords strings.Builder
	for _, user := range append([]string{"sys"}, users...) {
		fmt.Fprintf(&passwords, "%s_PASSWORD: %q\n", strings.ToUpper(user), user+"-password")
	}
	place("run/secrets/nats.conf", passwords.String())
	place("run/secrets/cluster.conf", fmt.Sprintf("CLUSTER_PASSWORD: %q\nROUTES: [%s]\n", "cluster-password", strings.Join(routes, ", ")))

	options, err := server.ProcessConfigFile(filepath.Join(dir, "etc/nats", config))
	require.NoError(t, err)
	require.True(t, options.SyncAlways, "a power cut must lose nothing that was acknowledged")
	options.StoreDir, options.Host, options.Port, options.HTTPPort = t.TempDir(), "127.0.0.1", server.RANDOM_PORT, 0
	options.NoSigs, options.NoLog, options.SyncAlways = true, true, false
	return options
}

func start(t *testing.T, options *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(options)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.Eventually(t, func() bool { return s.ReadyForConnections(time.Second) }, 20*time.Second, time.Millisecond)
	return s
}

func TestThreeServersOfTheClusterFileAreOneBroker(t *testing.T) {
	t.Parallel()
	var listen, routes, urls []string
	for range 3 {
		address := natstest.FreeAddress(t)
		listen, routes = append(listen, address), append(routes, `"nats://cluster:cluster-password@`+address+`"`)
	}
	for i, address := range listen {
		options := shipped(t, "cluster.conf", fmt.Sprintf("nats%d", i), routes...)
		options.Cluster.Host, options.Cluster.Port = "127.0.0.1", must(net.LookupPort("tcp", port(address)))
		urls = append(urls, start(t, options).ClientURL())
	}
	js, err := jetstream.New(login(t, urls[0], "admin", "admin-password").Conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "AUTH", Subjects: []string{"auth.>"}, Replicas: 3, MaxBytes: 5 << 30, // what all streams together reserve
		})
		return err == nil
	}, 30*time.Second, 50*time.Millisecond, "no stream of three copies can be made")
	checkUsers(t, urls[2], func(user string) string { return user + "-password" })

	for password, answer := range map[string]string{"cluster-password": "RS+ ", "wrong": "-ERR 'Authorization Violation'"} {
		require.Contains(t, joins(t, listen[1], password), answer, password)
	}
	require.Empty(t, login(t, urls[0], "subscriber", "subscriber-password").DiscoveredServers(),
		"the addresses of containers are given to clients that cannot reach them")
}

// joins is what a server answers to one that wants to be its peer.
func joins(t *testing.T, address, password string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	lines := bufio.NewScanner(c)
	require.True(t, lines.Scan(), "a server begins with its INFO")
	_, err = fmt.Fprintf(c, `CONNECT {"user":"cluster","pass":%q,"name":"peer","cluster":"authwatch"}`+"\r\n"+
		`INFO {"server_id":"peer","server_name":"peer","cluster":"authwatch"}`+"\r\n", password)
	require.NoError(t, err)
	lines.Scan()
	return lines.Text()
}

func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	return must(port, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
