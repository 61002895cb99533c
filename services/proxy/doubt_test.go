package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

func service(w *world) { w.cfg.Workloads[0].Kind = proxy.KindHTTP }

func TestARouteThatIsRefusedWhileOthersAreAcceptedIsToldAsThat(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	w := newWorld(t, up.URL)
	for range 30 {
		require.Equal(t, 200, w.call("tools/list").status)
	}
	require.Equal(t, 503, w.do(http.MethodGet, "/github", "").status)
	require.Eventually(t, func() bool {
		w.do(http.MethodGet, "/github", "")
		return count(w, events.TypeUnauthorized) == 1
	}, 15*time.Second, 100*time.Millisecond)
	told := w.expect("loaded", "authorized", "unauthorized")[2].data
	require.Equal(t, events.ReasonRefusedClass, told.Reason(events.TypeUnauthorized))
	require.Equal(t, http.MethodGet, told.Request.Method)
	r := w.do(http.MethodGet, "/github", "")
	require.Equal(t, 503, r.status)
	require.Contains(t, r.header.Get("Content-Type"), "json")
	require.Contains(t, r.body, `"reason":"refused_class"`)
}

func TestAScopeThatAGatewayCallsAnInvalidTokenIsNoDeath(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "tools/call") {
			rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", scope="write"`)
			rw.WriteHeader(http.StatusForbidden)
		}
	})
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("tools/list").status)
	r := w.call("tools/call")
	require.Equal(t, 503, r.status)
	require.Contains(t, r.body, "it accepts the same credential otherwise")
	for range 20 {
		require.Equal(t, 200, w.call("tools/list").status)
	}
	w.expect("loaded", "authorized")
}

func TestItemsThatWereRefusedForAMomentAreHealedByOthers(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	var ill atomic.Bool
	up.handle(func(rw http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	w := newWorld(t, up.URL, service)
	require.Equal(t, 200, w.do(http.MethodGet, "/github/items/0", "").status)
	ill.Store(true)
	for _, path := range []string{"/items/1", "/items/2", "/reports/q1"} {
		require.Equal(t, 401, w.do(http.MethodGet, "/github"+path, "").status)
	}
	w.expect("loaded", "authorized", "unauthorized")
	ill.Store(false)
	for range 64 {
		require.Equal(t, 200, w.do(http.MethodGet, "/github/items/7", "").status)
	}
	require.Eventually(t, func() bool { return count(w, events.TypeAuthorized) == 2 }, 5*time.Second, 5*time.Millisecond)
}

func TestAPageToSignInClosesNoIncident(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	var after atomic.Int32
	up.handle(func(rw http.ResponseWriter, _ *http.Request) {
		switch after.Load() {
		case 1:
			rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			rw.WriteHeader(http.StatusUnauthorized)
		case 2:
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(http.StatusNonAuthoritativeInfo)
		case 3:
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
	})
	w := newWorld(t, up.URL, service)
	get := func() int { return w.do(http.MethodGet, "/github/items", "", "Accept", "*/*").status }
	require.Equal(t, 200, get())
	after.Store(1)
	require.Equal(t, 401, get())
	w.expect("loaded", "authorized", "unauthorized")
	for n := range int32(2) {
		after.Store(2 + n)
		require.Equal(t, []int{203, 200}[n], get())
	}
	w.expect("loaded", "authorized", "unauthorized")
	after.Store(0)
	require.Equal(t, 200, get())
	w.expect("loaded", "authorized", "unauthorized", "authorized")
}

func TestATokenThatWasAcceptedHasDiedWhateverSchemeTheChallengeNames(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, func(w *world) { w.cfg.Workloads[0].UnauthorizedAfter = 3 })
	require.Equal(t, 200, w.call("a").status)
	up.handle(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("WWW-Authenticate", `Token realm="api"`)
		rw.WriteHeader(http.StatusUnauthorized)
	})
	var r reply
	require.Eventually(t, func() bool { r = w.call("a"); return count(w, events.TypeUnauthorized) == 1 }, 15*time.Second, 20*time.Millisecond)
	told := w.expect("loaded", "authorized", "unauthorized")[2].data
	require.NotNil(t, told.AcceptedAt)
	require.Equal(t, events.ReasonBare401, told.Reason(events.TypeUnauthorized))
	r = w.call("a")
	require.Contains(t, r.body, "Put a new token there")

	other := newRemote(t, goodToken)
	other.handle(*up.next.Load())
	n := newWorld(t, other.URL)
	require.Contains(t, n.call("a").body, "Token authentication", "one that was never accepted")
}

func TestTheProxysOwnQuestionCarriesTheConfiguredHeaders(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Tenant") != "one" {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	work := proxy.Workload{Name: "x", Upstream: up.URL, Probe: &proxy.Probe{Headers: map[string]string{"X-Tenant": "one"}}}
	got, err := proxy.Try(t.Context(), work, &credential.Snapshot{Token: goodToken})
	require.NoError(t, err)
	require.Equal(t, "accepted", got.Result())
	work.Probe = nil
	got, err = proxy.Try(t.Context(), work, &credential.Snapshot{Token: goodToken})
	require.NoError(t, err)
	require.Equal(t, "rejected", got.Result())
}

func TestSettleHasADefaultAndALimit(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-time.Second, 2 * time.Minute} {
		settle := config.Duration(d)
		c := proxy.Config{Workloads: []proxy.Workload{{Name: "x", Upstream: "https://x.example", Settle: &settle}}}
		found := false
		for _, p := range c.Validate() {
			found = found || p.Path == "workloads[0].settle"
		}
		require.True(t, found, d)
	}
}
