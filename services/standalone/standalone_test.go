package standalone_test

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/standalone"
)

// run starts an authwatch with no workload; the text is its nats section.
func run(t *testing.T, text string) standalone.Config {
	t.Helper()
	cfg, err := load(t, fmt.Sprintf(`nats: %s
data_dir: %s
proxy: {listen: "127.0.0.1:0", admin_listen: ""}
status: {listen: "127.0.0.1:0", admin_listen: ""}
notifier: {admin_listen: ""}
`, text, t.TempDir()))
	require.NoError(t, err)
	start(t, cfg)
	return cfg
}

func connect(t *testing.T, cfg standalone.Config) {
	t.Helper()
	var b *bus.Bus
	require.Eventually(t, func() bool {
		var err error
		b, err = cfg.Connect(t.Context(), "test", slog.New(slog.DiscardHandler))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	t.Cleanup(b.Close)
	require.Eventually(t, func() bool {
		_, err := b.Bucket(bus.BucketSilences).Put(t.Context(), "a", []byte("b"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

func TestTheBrokerHasASocketForItsUserAndNoPort(t *testing.T) {
	t.Parallel()
	cfg := run(t, "{}")
	connect(t, cfg)
	for _, name := range []string{"bus.sock", "bus.password"} {
		info, err := os.Stat(cfg.DataDir + "/" + name)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is for its user only", name)
	}
}

func TestUsersLogInFromTheNetworkAndTheProcessItselfStillCan(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	cfg := run(t, fmt.Sprintf(`{listen: %q, users: [{name: reader, password: secret, subscribe: ["status.>"]}]}`, address))
	connect(t, cfg)

	_, err = nats.Connect("nats://" + address)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	nc, err := nats.Connect("nats://"+address, nats.UserInfo("reader", "secret"))
	require.NoError(t, err)
	nc.Close()
}

func TestASecondProcessOnOneFolderIsRefused(t *testing.T) {
	t.Parallel()
	cfg := run(t, "{}")
	connect(t, cfg)
	err := standalone.New(standalone.Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}).Run(t.Context())
	require.ErrorContains(t, err, "a.yaml:2: data_dir: "+cfg.DataDir+": another process holds it")
	connect(t, cfg) // the first one is not disturbed
}
