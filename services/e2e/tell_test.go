package e2e_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

func TestCommandsReachTheEmbeddedBrokerThatHasNoPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, "nats: {}")}
	do := func(code int, args ...string) string {
		t.Helper()
		p := authwatch(t, append(args, "-c", s.file)...)
		require.Equal(t, code, p.code(), "%s", p.stderr.String())
		return p.stdout.String() + p.stderr.String()
	}
	require.Contains(t, do(1, "pending"), "authwatch run is not running with data_dir")
	s.start(t)

	require.Regexp(t, `^ops accepted the test message in \d+ ms\n$`, do(0, "test", "ops"))
	require.Equal(t, []string{events.KindTest}, w.webhook.kinds())
	require.Contains(t, do(2, "test", "opps"), `no receiver is named "opps"; did you mean "ops"?`)

	require.Contains(t, do(0, "silence", "add", "--workload", "git*", "--comment", "maintenance", "--for", "1h"), "lasts until")
	list := do(0, "silence", "list", "-o", "json")
	var silences struct {
		Silences []struct{ ID, Comment string }
	}
	require.NoError(t, json.Unmarshal([]byte(list), &silences))
	require.Len(t, silences.Silences, 1)
	require.Equal(t, "maintenance", silences.Silences[0].Comment)
	client := weather.NewClient(w.endpoint())
	w.awaitCall(t, client)
	w.upstream.Accept("")
	_, err := client.Call(t.Context())
	require.Error(t, err)
	client.Close()
	w.awaitStatus(t, events.StatusUnauthenticated)
	api := "http://" + w.status
	eventually(t, "the silence is why nobody is told", func() bool {
		return strings.Contains(do(0, "why", "github", "--api", api), "ops  opened  silenced, until 2")
	})
	require.Contains(t, do(0, "silence", "expire", silences.Silences[0].ID), "has ended")
	require.Contains(t, do(0, "silence", "list"), "No silences.")
	eventually(t, "the alert comes when the silence has ended", func() bool { return len(w.webhook.kinds()) == 2 })
	require.Equal(t, []string{events.KindTest, events.KindOpened}, w.webhook.kinds())
	require.Contains(t, do(2, "silence", "add"), "no workloads given")
}

func TestARefusedAlertIsListedAndReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.webhook.refuse(http.StatusForbidden)
	s := &oneProcess{world: w, file: w.configure(t, "nats: {}")}
	s.start(t)
	do := func(code int, args ...string) string {
		t.Helper()
		p := authwatch(t, append(args, "-c", s.file)...)
		require.Equal(t, code, p.code(), "%s", p.stderr.String())
		return p.stdout.String() + p.stderr.String()
	}
	require.Contains(t, do(1, "test", "ops"), "ops did not accept the test message: ")
	w.upstream.Accept("")
	postCall(t.Context(), w.endpoint())
	w.awaitStatus(t, events.StatusUnauthenticated)
	eventually(t, "the refused alert is listed", func() bool {
		return strings.Contains(do(0, "pending"), "failed")
	})
	require.Regexp(t, `ops +failed +opened .* github `, do(0, "pending"))
	api := "http://" + w.status
	require.Regexp(t, `ops +opened +waits for the receiver, and will be tried again, until \S+ \S+ \(403 Forbidden, after 1 attempt\)`,
		do(0, "why", "github", "--api", api))
	require.Regexp(t, `"waiting": \[\s+\{\s+"receiver": "ops"`, do(0, "why", "github", "-o", "json", "--api", api))
	require.Empty(t, w.webhook.kinds())

	w.webhook.refuse(0)
	require.Contains(t, do(0, "replay", "ops"), "1 message sent again")
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })
	eventually(t, "nothing is left", func() bool {
		return strings.Contains(do(0, "pending"), "Nothing pending.")
	})
}

func TestATokenCanBeTriedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.configure(t, "nats: {}")
	candidate := filepath.Join(w.dir, "candidate")
	write(t, candidate, secondToken+"\n")

	good := authwatch(t, "try", "github", "-c", file)
	require.Zero(t, good.code(), good.stderr.String())
	require.Regexp(t, `^github: accepted, token [0-9a-f]{12}: POST \S+ answered 200\n$`, good.stdout.String())
	bad := authwatch(t, "try", "github", "-c", file, "--token-file", candidate)
	require.Equal(t, 1, bad.code())
	require.Contains(t, bad.stderr.String(), "github: rejected: ")
	require.Contains(t, bad.stderr.String(), "invalid_token")
	require.Zero(t, authwatch(t, "check", "-c", file, "--online").code())
	w.upstream.Accept("")
	require.Equal(t, 1, authwatch(t, "check", "-c", file, "--online").code())
	unknown := authwatch(t, "try", "gitub", "-c", file)
	require.Equal(t, 2, unknown.code())
	require.Contains(t, unknown.stderr.String(), `did you mean "github"?`)
	for _, p := range []*process{good, bad, unknown} {
		require.NotContains(t, p.stdout.String()+p.stderr.String(), "canary")
	}
}
