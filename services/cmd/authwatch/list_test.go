package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/process"
)

// run executes a command line against an API that answers body.
func run(t *testing.T, body string, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	c := newRoot()
	c.SetOut(&out)
	c.SetArgs(append(args, "--api", server.URL))
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

const mixed = `{"workloads":[
 {"workload":"a","status":"running","served_by":2},
 {"workload":"b","status":"running","served_by":1,"reachable":false,"outage":{"since":"2026-01-01T00:00:00Z","error":"connection refused"}},
 {"workload":"c","status":"half\u001b[2Jdead","served_by":1,"new_field":{"x":1}},
 {"workload":"d","status":"missing","reason":"empty","served_by":0}]}`

func TestWhatNeedsAPersonIsListedFirst(t *testing.T) {
	t.Parallel()
	out, err := run(t, mixed, "list")
	require.NoError(t, err)
	require.Equal(t, `WORKLOAD  STATUS                SINCE  SERVED BY  REASON
d         missing                      nobody     empty
b         running, unreachable         1 proxy    connection refused
a         running                      2 proxies
c         half[2Jdead                  1 proxy
`, out)
}

func TestTheExitCodeIsOneWhereItIsAskedForAndSomethingIsBad(t *testing.T) {
	t.Parallel()
	_, err := run(t, mixed, "list", "--exit-code")
	var exit *process.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.Code)
	require.NoError(t, exit.Err, "what is wrong was printed")
	_, err = run(t, `{"workloads":[{"workload":"a","status":"running"}]}`, "list", "--exit-code")
	require.NoError(t, err)
}

func TestJSONKeepsWhatThisProgramDoesNotKnow(t *testing.T) {
	t.Parallel()
	out, err := run(t, mixed, "list", "-o", "json")
	require.NoError(t, err)
	require.JSONEq(t, mixed, out)
}

func TestAnAnswerThatIsNotTheAPIIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	_, err := run(t, "<html>", "list")
	require.ErrorContains(t, err, "read the answer of http://127.0.0.1")
}

func TestSpansOfTimeAreSaidInTheirLargestUnit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "now", 59 * time.Second: "59s ago", 61 * time.Second: "1m ago",
		47 * time.Hour: "47h ago", 49 * time.Hour: "2d ago",
	} {
		require.Equal(t, want, ago(now, now.Add(-d)))
	}
}
