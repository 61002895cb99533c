package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

func TestAWorkloadThatIsTakenOutIsToldOnceAndStopsAlarming(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.configure(t, "nats: {}")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	s := &oneProcess{world: w, file: file}
	s.start(t)
	do := func(code int, args ...string) string {
		t.Helper()
		p := authwatch(t, append(args, "-c", file)...)
		require.Equal(t, code, p.code(), "%v: %s", args, p.stderr.String())
		return p.stdout.String() + p.stderr.String()
	}
	list := func(code int) string {
		t.Helper()
		p := authwatch(t, "list", "--exit-code", "--api", "http://"+w.status)
		require.Equal(t, code, p.code(), "%s", p.stderr.String())
		return p.stdout.String()
	}
	require.Contains(t, do(1, "forget", "nobody"), "nothing is recorded of it")

	client := weather.NewClient(w.endpoint())
	w.awaitCall(t, client)
	w.upstream.Accept("")
	_, err = client.Call(t.Context())
	require.Error(t, err)
	client.Close()
	w.awaitStatus(t, events.StatusUnauthenticated)
	eventually(t, "the death is told", func() bool { return len(w.webhook.kinds()) == 1 })
	list(1)
	require.Contains(t, do(1, "forget", "github"), "it is served")
	require.Contains(t, do(0, "ack", "github", "--by", "ada", "--note", "asked for a new token"), "is acknowledged")
	require.Contains(t, list(1), "acknowledged by ada")

	// The name of the workload changes: one is retired, and one is new.
	write(t, file, strings.Replace(string(before), "- name: github", "- name: gitlab", 1))
	w.awaitStatus(t, events.StatusRetired)
	eventually(t, "the end is told", func() bool { return len(w.webhook.kinds()) == 2 })
	require.Equal(t, []string{events.KindOpened, events.KindResolved}, w.webhook.kinds())
	require.Regexp(t, `github +retired`, list(0))

	write(t, file, string(before))
	w.upstream.Accept("")
	eventually(t, "it comes back", func() bool { return !strings.Contains(list(0), "github  retired") })
	s.p.stop(t)
}
