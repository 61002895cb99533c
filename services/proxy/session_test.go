package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
)

// forgetful is an MCP server that answers a session which it does not know as if
// the token were dead.
type forgetful struct {
	*httptest.Server
	inner atomic.Pointer[http.Handler]
	asked atomic.Int64 // requests without a session
}

func newForgetful(t *testing.T) *forgetful {
	t.Helper()
	f := &forgetful{}
	f.restart()
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+goodToken {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Mcp-Session-Id") == "" {
			f.asked.Add(1)
		}
		(*f.inner.Load()).ServeHTTP(&strict{ResponseWriter: w}, r)
	}))
	t.Cleanup(f.CloseClientConnections)
	return f
}

// restart loses all sessions.
func (f *forgetful) restart() {
	s := newServer(make(chan struct{}, 10))
	h := http.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil))
	f.inner.Store(&h)
}

// strict says 401 in place of 404.
type strict struct{ http.ResponseWriter }

func (s *strict) WriteHeader(status int) {
	if status == http.StatusNotFound {
		s.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="unknown session"`)
		status = http.StatusUnauthorized
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *strict) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *strict) Flush() { s.ResponseWriter.(http.Flusher).Flush() }

func TestAClientRecoversFromAServerThatLostItsSessionsAndSays401(t *testing.T) {
	t.Parallel()
	up, reg := newForgetful(t), prometheus.NewPedanticRegistry()
	w := newWorld(t, up.URL, func(w *world) { w.metrics = reg })
	connect := func() *mcp.ClientSession {
		c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
		s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: w.url("/github")}, nil)
		require.NoError(t, err)
		return s
	}
	session := connect()
	_, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	up.restart()
	_, err = session.ListTools(t.Context(), nil)
	require.ErrorIs(t, err, mcp.ErrSessionMissing, "by that the client knows to connect again")
	session = connect()
	_, err = session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	w.expect("loaded", "authorized")

	lost := w.do(http.MethodPost, "/github", `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "Mcp-Session-Id", "unknown", "Accept", "application/json, text/event-stream")
	require.Equal(t, http.StatusNotFound, lost.status)
	require.JSONEq(t, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,
		"message":"github: session not found: it is gone, the upstream does not know it any more. Reconnect: open a new session with initialize.",
		"data":{"workload":"github","reason":"session_lost"}}}`, lost.body)
	require.NotContains(t, lost.body, "token")
	w.expect("loaded", "authorized")
	families, err := reg.Gather()
	require.NoError(t, err)
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "authwatch_proxy_sessions_lost_total" {
			counted = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	require.GreaterOrEqual(t, counted, 2.0)
}

func TestTransparentPassesTheAnswerToALostSessionAtOnce(t *testing.T) {
	t.Parallel()
	up := newForgetful(t)
	w := newWorld(t, up.URL, func(w *world) { w.cfg.Workloads[0].OnUnauthorized = proxy.Transparent })
	r := w.do(http.MethodPost, "/github", `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "Mcp-Session-Id", "unknown", "Accept", "application/json, text/event-stream")
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Contains(t, r.header.Get("WWW-Authenticate"), "unknown session")
	w.expect("loaded", "authorized")
}

func TestATokenThatDiesInASessionIsTold(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("tools/call").status)
	up.revoke(goodToken)
	r := w.do(http.MethodPost, "/github", `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`, "Mcp-Session-Id", "s")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Contains(t, r.body, "the upstream rejected the token")
	w.expect("loaded", "authorized", "unauthorized")
}

func TestANewTokenThatIsNotKnownEverywhereYetIsNotBlamed(t *testing.T) {
	t.Parallel()
	up := newRemote(t)
	w := newWorld(t, up.URL, func(w *world) {
		settle := config.Duration(time.Second)
		w.cfg.Workloads[0].Settle = &settle
	})
	r := w.call("tools/call")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Contains(t, r.body, "The credential is new")
	require.Equal(t, "2", r.header.Get("Retry-After"))
	up.accept(goodToken)
	all := w.expect("loaded", "authorized")
	require.Equal(t, "server/discover", all[1].data.Request.MCPMethod, "the proxy asked itself")
}

func TestAQuotaIsNoDeath(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("tools/list").status)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "authwatch" {
			rw.Header().Set("Retry-After", "5")
			rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	r := w.call("tools/call")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Contains(t, r.body, "it accepts the same credential otherwise")
	w.expect("loaded", "authorized")
}
