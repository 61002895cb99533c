package e2e_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

func TestTheCommandsShowWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &oneProcess{world: w, file: w.configure(t, "nats: {}")}
	s.start(t)
	ask := func(code int, args ...string) string {
		t.Helper()
		p := authwatch(t, append(args, "--api", "http://"+w.status)...)
		require.Equal(t, code, p.code(), "%s", p.stderr.String())
		return p.stdout.String()
	}
	client := weather.NewClient(w.endpoint())
	w.awaitCall(t, client)
	w.awaitStatus(t, events.StatusRunning)
	require.Regexp(t, `(?m)^github +running +\S+ ago|now +`, ask(0, "list", "--exit-code"))

	follow := start(t, "authwatch", "events", "--follow", "-o", "json", "--api", "http://"+w.status)
	w.upstream.Accept("")
	_, err := client.Call(t.Context())
	require.Error(t, err)
	w.awaitStatus(t, events.StatusUnauthenticated)
	eventually(t, "the alert", func() bool { return len(w.webhook.kinds()) == 1 })

	require.Regexp(t, `(?m)^github +unauthenticated .* 1 proxy +invalid_token$`, ask(1, "list", "--exit-code"))
	require.Zero(t, authwatch(t, "list", "--api", "http://"+w.status).code(), "only --exit-code makes it a failure")
	var list struct{ Workloads []events.Record }
	require.NoError(t, json.Unmarshal([]byte(ask(0, "list", "-o", "json")), &list))
	require.Len(t, list.Workloads, 1)
	require.Equal(t, events.StatusUnauthenticated, list.Workloads[0].Status)

	require.Contains(t, ask(0, "show", "github"), "file "+w.tokenFile)
	eventually(t, "the receipt", func() bool {
		var why struct {
			Workload    events.Record
			Transitions []events.Record
			Receipts    []events.Receipt
		}
		require.NoError(t, json.Unmarshal([]byte(ask(0, "why", "github", "-o", "json")), &why))
		return len(why.Receipts) == 1 && len(why.Transitions) == 3
	})
	why := ask(0, "why", "github")
	require.Regexp(t, `(?s)Evidence.*HTTP 401, Bearer invalid_token.*Timeline.*unauthenticated.*running.*Told.*ops +opened +delivered`, why)
	require.Regexp(t, `(?s)unverified.*running.*unauthenticated`, ask(0, "events"))

	w.upstream.Accept(secondToken)
	write(t, w.tokenFile, secondToken+"\n")
	w.awaitCall(t, client)
	client.Close()
	eventually(t, "the follower shows the recovery", func() bool {
		return len(follow.stdout.String()) > 0
	})
	require.Empty(t, follow.stderr.String())

	p := authwatch(t, "show", "nobody", "--api", "http://"+w.status)
	require.Equal(t, 1, p.code())
	require.Contains(t, p.stderr.String(), `no workload is called "nobody"`)
	s.p.stop(t)
	p = authwatch(t, "list", "--api", "http://"+w.status)
	require.Equal(t, 1, p.code())
	require.Contains(t, p.stderr.String(), "is authwatch running")
}

func TestVersionIsOneLine(t *testing.T) {
	t.Parallel()
	p := authwatch(t, "version")
	require.Zero(t, p.code())
	require.Regexp(t, `^authwatch \S+\n$`, p.stdout.String())
}
