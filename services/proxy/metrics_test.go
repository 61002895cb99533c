package proxy_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestAMetricSaysThatATokenInUseCouldNotBeReadAgain(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	w := newWorld(t, newRemote(t, goodToken).URL, func(w *world) { w.metrics = reg })
	is := func(stale string) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP authwatch_proxy_credential_stale 1 while the credential in use stays because its source cannot be read.
# TYPE authwatch_proxy_credential_stale gauge
authwatch_proxy_credential_stale{workload="github"} `+stale+`
# HELP authwatch_proxy_credential_usable 1 when there is a credential to attach.
# TYPE authwatch_proxy_credential_usable gauge
authwatch_proxy_credential_usable{workload="github"} 1
`), "authwatch_proxy_credential_stale", "authwatch_proxy_credential_usable") == nil
		}
	}
	require.Eventually(t, is("0"), 10*time.Second, 5*time.Millisecond)
	require.NoError(t, os.Remove(w.token))
	require.Eventually(t, is("1"), 20*time.Second, 5*time.Millisecond)
	require.Equal(t, http.StatusOK, w.call("tools/list").status, "the one in use works on")
	w.put(goodToken)
	require.Eventually(t, is("0"), 20*time.Second, 5*time.Millisecond)
}

func TestAStatusThatNoServerMaySendIs502AndLeavesNoRequestOpen(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(rw).Hijack()
		if err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 007 Odd\r\nContent-Length: 0\r\n\r\n"))
			c.Close()
		}
	})
	w := newWorld(t, up.URL, func(w *world) { w.metrics = reg })
	r := w.call("tools/list")
	require.Equal(t, http.StatusBadGateway, r.status)
	require.Contains(t, r.body, `"reason":"bad_answer"`)
	require.Contains(t, r.body, "the upstream's answer cannot be passed on: its status is 007")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP authwatch_proxy_open_requests Requests and streams under way.
# TYPE authwatch_proxy_open_requests gauge
authwatch_proxy_open_requests{workload="github"} 0
`), "authwatch_proxy_open_requests"))
}
