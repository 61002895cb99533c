package e2e_test

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/demo/weather"
)

func TestAChangedConfigurationIsTakenOverAndAWrongOneIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.configure(t, "nats: {}")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	s := &oneProcess{world: w, file: file}
	s.start(t)
	client := weather.NewClient(w.endpoint())
	w.awaitCall(t, client)
	require.Equal(t, http.StatusNotFound, postCall(t.Context(), "http://"+w.proxy+"/gitlab"))

	logged := func(text string) {
		t.Helper()
		eventually(t, text, func() bool { return strings.Contains(s.p.stderr.String(), text) })
	}
	write(t, file, strings.Replace(string(before), "kind: mcp", "kind: mpc", 1))
	logged("configuration not taken over")
	require.Contains(t, s.p.stderr.String(), file+":8: proxy.workloads[0].kind")
	w.awaitCall(t, client)

	gitlab := strings.Replace(string(before), "    - name: github", `    - {name: gitlab, kind: mcp, upstream: "`+w.remote+`", credential: {bearer_token_file: `+w.tokenFile+`}}
    - name: github`, 1)
	write(t, file, gitlab)
	logged("configuration taken over")
	second := weather.NewClient("http://" + w.proxy + "/gitlab")
	w.awaitCall(t, second)
	w.awaitCall(t, client)

	write(t, file, strings.Replace(gitlab, "group_wait: 0s", "group_wait: 1s", 1))
	logged("restart to take them over")
	require.NoError(t, s.p.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the signal is heeded", func() bool {
		return strings.Count(s.p.stderr.String(), "configuration taken over") == 3
	})
	w.awaitStatus(t, events.StatusRunning)
	second.Close()
	client.Close()
	s.p.stop(t)
}
