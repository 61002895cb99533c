package proxy_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// remote is an upstream that takes some tokens.
type remote struct {
	*httptest.Server
	tokens sync.Map // token → true
	next   atomic.Pointer[http.HandlerFunc]
}

func newRemote(t *testing.T, tokens ...string) *remote {
	t.Helper()
	r := &remote{}
	r.accept(tokens...)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		if _, ok := r.tokens.Load(token); !ok {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="The access token expired"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if h := r.next.Load(); h != nil {
			(*h)(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, req.Body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *remote) accept(tokens ...string) {
	for _, t := range tokens {
		r.tokens.Store(t, true)
	}
}

func (r *remote) revoke(token string) { r.tokens.Delete(token) }

func (r *remote) handle(h http.HandlerFunc) { r.next.Store(&h) }

// world is a proxy on a real broker with a workload "github".
type world struct {
	t     *testing.T
	bus   *bus.Bus
	nats  *natstest.Server
	proxy *proxy.Proxy
	cfg   proxy.Config
	dir   string
	token string // file
	trace *trace.Tracer
	stop  func()

	log     *slog.Logger // nil: none
	metrics prometheus.Registerer
}

const (
	goodToken  = "good-token-0123456789"
	otherToken = "other-token-9876543210"
)

func newWorld(t *testing.T, upstream string, change ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.token = filepath.Join(w.dir, "token")
	w.put(goodToken)
	w.cfg = proxy.Config{Listen: "127.0.0.1:0", Workloads: []proxy.Workload{{
		Name: "github", Upstream: upstream,
		Credential: credential.Config{BearerTokenFile: w.token},
		Labels:     map[string]string{"team": "a"},
		Settle:     new(config.Duration), // what a new token is refused for is believed at once
	}}}
	for _, c := range change {
		c(w)
	}
	if w.nats == nil {
		w.nats = natstest.Run(t)
	}
	w.bus = w.nats.Bus(t)
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	p, err := proxy.New(proxy.Options{
		Config: w.cfg, DataDir: filepath.Join(w.dir, "data"), Bus: w.bus, Log: cmp.Or(w.log, slog.New(slog.DiscardHandler)),
		Metrics: w.metrics, Trace: w.trace,
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	w.proxy, w.stop = p, func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(w.t, <-done)
		}
	}
	w.t.Cleanup(w.stop)
	require.Eventually(w.t, func() bool { return p.Ready() == nil }, 5*time.Second, time.Millisecond)
}

// put writes the token file as editors and Kubernetes do: by renaming.
func (w *world) put(token string) {
	w.t.Helper()
	tmp := filepath.Join(w.dir, "token.new")
	require.NoError(w.t, os.WriteFile(tmp, []byte(token+"\n"), 0o600))
	require.NoError(w.t, os.Rename(tmp, w.token))
}

func (w *world) url(path string) string { return "http://" + w.proxy.Address() + path }

type reply struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(method, path, body string, header ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url(path), strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// call is a JSON-RPC request.
func (w *world) call(method string) reply {
	w.t.Helper()
	return w.do(http.MethodPost, "/github", fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":{"name":"search"}}`, method))
}

type seen struct {
	typ   string
	data  events.Observation
	id    string
	trace string
}

// events returns what is in the stream.
func (w *world) events() []seen {
	w.t.Helper()
	var all []seen
	err := w.bus.Each(w.t.Context(), bus.StreamAuth, "auth.>", 0, false, func(m bus.Message) error {
		o, err := events.ParseObservation(m.Event)
		all = append(all, seen{m.Event.Type(), o, m.Event.ID(), events.TraceParent(m.Event)})
		return err
	})
	if err != nil { // the broker may be away
		return nil
	}
	return all
}

func (w *world) types() []string {
	var types []string
	for _, e := range w.events() {
		types = append(types, strings.TrimPrefix(e.typ, "auth."))
	}
	return types
}

// expect waits until exactly these events are in the stream.
func (w *world) expect(types ...string) []seen {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return len(w.types()) >= len(types) }, 10*time.Second, 5*time.Millisecond, "want %v", types)
	require.Equal(w.t, types, w.types(), "%+v", w.events())
	return w.events()
}

func TestADeathAndTheRepairAreToldOnceEach(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL+"/mcp")

	require.Equal(t, http.StatusOK, w.call("tools/call").status)
	w.expect("loaded", "authorized")

	up.revoke(goodToken)
	for range 20 {
		r := w.call("tools/call")
		require.Equal(t, http.StatusServiceUnavailable, r.status)
		require.Equal(t, "30", r.header.Get("Retry-After"))
		require.JSONEq(t, fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"error":{"code":4011,"message":%q,"data":{"workload":"github","reason":"invalid_token"}}}`,
			"github: the upstream rejected the token in "+w.token+" (invalid_token: \"The access token expired\"). Put a new token there; it is picked up at once, no restart."), r.body)
	}
	all := w.expect("loaded", "authorized", "unauthorized")
	dead := all[2].data
	require.Equal(t, "github", dead.Workload)
	require.Equal(t, map[string]string{"team": "a"}, dead.Labels)
	require.Equal(t, up.URL+"/mcp", dead.Upstream)
	require.Equal(t, credential.Fingerprint(goodToken), dead.Credential.Fingerprint)
	require.Equal(t, events.Request{Method: "POST", Path: "/mcp", MCPMethod: "tools/call", MCPName: "search"}, *dead.Request)
	require.Equal(t, 401, dead.Response.Status)
	require.Equal(t, "invalid_token", dead.Response.Challenge.Error)
	require.Positive(t, dead.Rejections)

	up.accept(otherToken)
	w.put(otherToken)
	require.Eventually(t, func() bool { return w.call("tools/call").status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
	all = w.expect("loaded", "authorized", "unauthorized", "loaded", "authorized")
	require.Equal(t, credential.Fingerprint(otherToken), all[4].data.Credential.Fingerprint)
}

func TestALackOfScopeIsToldAndIsNoDeath(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("tools/list").status)
	up.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="repo"`)
		http.Error(w, "no", http.StatusForbidden)
	})
	for range 2 {
		require.Equal(t, 403, w.call("tools/call").status)
	}
	told := w.expect("loaded", "authorized", "forbidden")[2].data
	require.Equal(t, "insufficient_scope", told.Response.Challenge.Error)
	require.Equal(t, "tools/call", told.Request.MCPMethod)
}

func TestATokenThatIsAboutToExpireIsTold(t *testing.T) {
	t.Parallel()
	now := time.Now()
	expires := now.Add(3 * 24 * time.Hour).Truncate(time.Second)
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d}`, now.AddDate(-1, 0, 0).Unix(), expires.Unix())
	token := "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	w := newWorld(t, newRemote(t, token).URL, func(w *world) { w.put(token) })
	told := w.expect("loaded", "expiring")[1].data
	require.Equal(t, expires.UTC(), told.Credential.ExpiresAt.UTC())
}

func TestAGoodListDoesNotHideADeadCall(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	var dead atomic.Bool
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if dead.Load() && strings.Contains(string(body), "tools/call") {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("tools/list").status)
	w.expect("loaded", "authorized")
	dead.Store(true)
	require.Eventually(t, func() bool { return w.call("tools/call").status == 503 && len(w.types()) == 3 }, 10*time.Second, 10*time.Millisecond)
	for range 5 {
		require.Equal(t, 200, w.call("tools/list").status)
	}
	told := w.expect("loaded", "authorized", "unauthorized")[2].data
	require.Equal(t, "tools/call", told.Request.MCPMethod)
	require.NotNil(t, told.AcceptedElsewhere)
	require.Equal(t, events.ReasonRefusedClass, told.Reason(events.TypeUnauthorized))
	dead.Store(false)
	require.Equal(t, 200, w.call("tools/call").status)
	w.expect("loaded", "authorized", "unauthorized", "authorized")
}

func TestAMissingTokenIsAnsweredHereAndHealsWhenTheFileComes(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	up := newRemote(t, goodToken)
	up.handle(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	w := newWorld(t, up.URL, func(w *world) { w.put("${GITHUB_TOKEN}") })
	r := w.call("tools/call")
	require.Equal(t, 503, r.status)
	require.Contains(t, r.body, `"id":7`)
	require.Contains(t, r.body, "literal ${…}")
	require.Zero(t, reached.Load())
	all := w.expect("missing")
	require.Equal(t, events.ProblemMalformed, all[0].data.Problem)
	w.put(goodToken)
	require.Eventually(t, func() bool { return w.call("tools/call").status == 200 }, 10*time.Second, 10*time.Millisecond)
	w.expect("missing", "loaded", "authorized")
}

func TestTransparentPassesTheRejectionAsItIs(t *testing.T) {
	t.Parallel()
	up := newRemote(t)
	w := newWorld(t, up.URL, func(w *world) { w.cfg.Workloads[0].Kind = proxy.KindHTTP })
	r := w.do(http.MethodGet, "/github/items/1?token=secret", "")
	require.Equal(t, 401, r.status)
	require.Equal(t, "no\n", r.body)
	require.Contains(t, r.header.Get("WWW-Authenticate"), "invalid_token")
	all := w.expect("loaded", "unauthorized")
	require.Equal(t, "/items/1", all[1].data.Request.Path)
	text, err := json.Marshal(all[1].data)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
}

func TestPassthroughForwardsTheClientsTokenAndSaysNothing(t *testing.T) {
	t.Parallel()
	up := newRemote(t, "theirs")
	w := newWorld(t, up.URL, func(w *world) {
		w.cfg.Workloads[0].ClientAuthorization = proxy.Passthrough
		w.cfg.Workloads[0].Credential = credential.Config{}
	})
	require.Equal(t, 401, w.do(http.MethodGet, "/github", "", "Authorization", "Bearer wrong").status)
	require.Equal(t, 200, w.do(http.MethodGet, "/github", "", "Authorization", "Bearer theirs").status)
	require.Empty(t, w.types())
}

func TestABatchIsAnsweredRequestByRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newRemote(t).URL)
	r := w.do("POST", "/github", `[{"jsonrpc":"2.0","id":"a","method":"x"},{"jsonrpc":"2.0","method":"note"},{"jsonrpc":"2.0","id":2,"method":"y"}]`)
	var all []struct {
		ID    any
		Error struct{ Code int }
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &all))
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].ID)
	require.InDelta(t, 2, all[1].ID, 0)
	require.Equal(t, 4011, all[1].Error.Code)
}

func TestAnUnreachableUpstreamIsNoVerdict(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL)
	require.Equal(t, 200, w.call("a").status)
	up.Close()
	var r reply
	for range 4 {
		r = w.call("a")
		require.Equal(t, 502, r.status)
	}
	require.Contains(t, r.body, "cannot be reached: connection refused")
	w.expect("loaded", "authorized")
	require.Eventually(t, func() bool {
		e, err := w.bus.Bucket(bus.BucketLeases).Get(t.Context(), "proxy."+w.proxy.Instance())
		return err == nil && strings.Contains(string(e.Value), `"reachable":false`) && strings.Contains(string(e.Value), "connection refused")
	}, 5*time.Second, 10*time.Millisecond)
	w.stop()
	_, err := w.bus.Bucket(bus.BucketLeases).Get(t.Context(), "proxy."+w.proxy.Instance())
	require.ErrorIs(t, err, bus.ErrNotFound)
}
