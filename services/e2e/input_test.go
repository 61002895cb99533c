package e2e_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestAWrongConfigurationEndsCheckAndRunWithOneLineThatSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	workload := func(text string) string { return "proxy:\n  workloads:\n    - " + text + "\n" }
	const good = `{name: a, kind: mcp, upstream: "http://127.0.0.1:1", credential: {bearer_token_file: x}}`
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":          {"proxy:\n  listn: 127.0.0.1:0\n", `authwatch.yaml:2: proxy: unknown key "listn"; did you mean "listen"?`},
		"unset variable":       {workload(`{name: a, kind: mcp, upstream: "${env:E2E_IS_NOT_SET}"}`), "authwatch.yaml:3: "},
		"duplicate workload":   {workload(good + "\n    - " + good), "authwatch.yaml:4: proxy.workloads[1].name: "},
		"upstream is no URL":   {workload(`{name: a, kind: mcp, upstream: "not a url", credential: {bearer_token_file: x}}`), "authwatch.yaml:3: proxy.workloads[0].upstream: "},
		"unknown receiver":     {"notifier:\n  receivers: [{name: ops, log: {}}]\n  routes:\n    - {receivers: [osp]}\n", "authwatch.yaml:4: notifier.routes[0].receivers[0]: "},
		"open without clients": {"proxy:\n  listen: 0.0.0.0:0\n", "authwatch.yaml:2: proxy.listen: "},
		"not YAML":             {"proxy: {\n", "authwatch.yaml:"},
		"empty":                {"", "authwatch.yaml: the file is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "authwatch.yaml")
			write(t, file, c.yaml)
			for _, command := range []string{"check", "run"} {
				p := authwatch(t, command, "-c", file)
				require.Equal(t, 2, p.code(), "%s: %s", command, p.stderr.String())
				require.Empty(t, p.stdout.String())
				text := strings.TrimSuffix(p.stderr.String(), "\n")
				if name != "unknown receiver" { // there "ops" is told by nobody, too
					require.NotContains(t, text, "\n", "one line")
				}
				require.Contains(t, text, c.want)
			}
		})
	}
}

// A service reads its own section of the file that it shares with the others.
func TestABinaryOfOneServiceSaysWhatIsWrongInItsSection(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{"proxy": "status", "status": "notifier", "notifier": "proxy"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "authwatch.yaml")
			fails := func(yaml, want string) {
				t.Helper()
				write(t, file, yaml)
				p := start(t, name, "-c", file)
				p.wait(t)
				require.Equal(t, 2, p.code(), p.stderr.String())
				require.Contains(t, p.stderr.String(), want)
			}
			fails("data_dir: .\n"+name+": {}\n", file+": nats.url: is required: this binary embeds no server")
			fails("nats: {url: nats://nats:4222}\n"+name+": {admin_listn: a}\n"+other+"x: {}\n",
				file+":2: "+name+`: unknown key "admin_listn"; did you mean "admin_listen"?
`+file+":3: unknown key \""+other+"x\"; did you mean \""+other+"\"?\n")

			admin := natstest.FreeAddress(t)
			write(t, file, "data_dir: "+dir+`
nats: {url: "nats://`+natstest.FreeAddress(t)+`", listen: 127.0.0.1:4222, users: [{name: a}]}
`+name+": {admin_listen: "+admin+"}\n"+other+`: {whatever: "${env:E2E_IS_NOT_SET}"}`+"\n")
			p := start(t, name, "-c", file)
			p.alive(t, admin)
			p.stop(t)
		})
	}
}

func TestAListenerInUseEndsRunWithTheLineOfItsAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.configure(t, "nats: {}")
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", w.proxy)
	require.NoError(t, err)
	defer taken.Close()
	p := authwatch(t, "run", "-c", file)
	require.Equal(t, 2, p.code(), p.stderr.String())
	log := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	require.Contains(t, log[len(log)-1], "authwatch.yaml:4: proxy.listen: cannot listen on "+w.proxy+": in use")
}

func TestWrongUsageIsOneLineAndExitCodeTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"lst", `unknown command "lst"; did you mean "list"?`},
		{"run", "authwatch run -c FILE"},
		{"run -c does-not-exist.yaml", "does-not-exist.yaml: no such file or directory"},
		{"show", "WORKLOAD is missing"},
		{"list --colour", "unknown flag: --colour"},
		{"list -o yaml", "write text or json"},
		{"list --api localhost", "not an address"},
	} {
		p := authwatch(t, strings.Fields(c.args)...)
		require.Equal(t, 2, p.code(), c.args)
		require.Empty(t, p.stdout.String())
		require.Contains(t, p.stderr.String(), c.want)
		require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), p.stderr.String())
	}
}

func TestABrokenTokenStopsNothingAndHealsWhenTheFileBecomesGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string // empty: no file at all
		want    string
	}{
		"no file":            {"", "does not exist"},
		"empty":              {"\n", "empty"},
		"literal variable":   {"${TOKEN}\n", "${…}"},
		"doubled Bearer":     {"Bearer Bearer " + firstToken + "\n", "Bearer"},
		"control characters": {firstToken + "\x01\n", "control"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			file := w.configure(t, "nats: {}")
			require.NoError(t, os.Remove(w.tokenFile))
			if c.content != "" {
				write(t, w.tokenFile, c.content)
			}

			check := authwatch(t, "check", "-c", file)
			require.Equal(t, 1, check.code(), check.stderr.String())
			for _, part := range []string{"github", w.tokenFile, c.want} {
				require.Contains(t, check.stdout.String()+check.stderr.String(), part)
			}

			p := start(t, "authwatch", "run", "-c", file)
			p.ready(t, w.proxyAdmin)
			require.Equal(t, http.StatusServiceUnavailable, postCall(t.Context(), w.endpoint()))
			missing := w.awaitStatus(t, events.StatusMissing)
			require.Contains(t, missing.Message, w.tokenFile)
			require.Zero(t, w.upstream.Rejected(), "nothing is forwarded without a token")

			write(t, w.tokenFile, firstToken+"\n")
			client := weather.NewClient(w.endpoint())
			w.awaitCall(t, client)
			client.Close()
			w.awaitStatus(t, events.StatusRunning)
			p.stop(t)
			check = authwatch(t, "check", "-c", file)
			require.Zero(t, check.code(), check.stderr.String())
			w.leaks(t, map[string]string{"output": p.stdout.String() + p.stderr.String() + check.stdout.String()})
		})
	}
}
