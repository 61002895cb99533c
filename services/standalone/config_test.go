package standalone_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/standalone"
)

func load(t *testing.T, text string) (standalone.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return standalone.Load(file)
}

func TestTheBrokerIsEmbeddedUnlessOneIsNamed(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, "proxy: {}\n")
	require.NoError(t, err)
	require.True(t, cfg.Embedded())
	require.Equal(t, "./data", cfg.DataDir)
	require.Equal(t, "127.0.0.1:9081", cfg.Status.AdminListen)

	cfg, err = load(t, `nats: {url: "nats://nats:4222", user: proxy, password: x}`)
	require.NoError(t, err)
	require.False(t, cfg.Embedded())
}

func TestAContradictoryBrokerIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`nats: {url: "nats://a:4222", listen: "127.0.0.1:4222"}`:                    ":1: nats.listen: opens the embedded server, and url names another one",
		`nats: {user: a, password: b}`:                                              "nats.url: is missing",
		`nats: {listen: "0.0.0.0:4222"}`:                                            ":1: nats.listen: others can reach this address; add users",
		`nats: {users: [{name: a, password: b}]}`:                                   "nats.users: log in from the network; add listen",
		`nats: {listen: "127.0.0.1:4222", users: [{name: a}]}`:                      "nats.users[0]: a user has a name, and a password or a password_file",
		`nats: {listen: "127.0.0.1:4222", users: [{name: authwatch, password: b}]}`: "nats.users[0].name: authwatch is how the process itself logs in",
		`nats: {listen: "127.0.0.1:4222", usrs: []}`:                                `unknown key "usrs"`,
		"nats: {listen: \"127.0.0.1:4222\"}\ndata_dir: [1]\n":                       "a.yaml:2: data_dir",
	} {
		_, err := load(t, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestWhoNeedsOnlyTheBusNeedsNoSecretOfOthers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.yaml")
	for text, want := range map[string]string{
		"":                                "",
		"nats: {listen: \"0.0.0.0:1\"}\n": "a.yaml:1: nats.listen: others can reach this address",
		"nats: {listn: x}\n":              `unknown key "listn"`,
	} {
		text += "notifier: {receivers: [{name: chat, slack: {webhook_url_file: ./not-here}}], routes: [{receivers: [chat]}]}\n"
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := standalone.Load(file)
		require.Error(t, err)
		_, err = standalone.LoadNATS(file)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

func TestAllThatIsWrongIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(t, "nats: {listen: \"0.0.0.0:1\"}\nproxy: {listen: nowhere}\nstatus: {listen: nowhere}\nnotifier: {routes: [{receivers: [nobody]}]}\n")
	for _, want := range []string{"a.yaml:1: nats.listen", "a.yaml:2: proxy.listen", "a.yaml:3: status.listen", "a.yaml:4: notifier.routes[0].receivers[0]"} {
		require.ErrorContains(t, err, want)
	}
}
