package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// upstream is a server of any kind behind the official SDK's authentication.
type upstream struct {
	url  *url.URL
	pool *http.Transport
	mu   sync.Mutex
	seen []string // "POST /mcp server/discover"
}

func serve(t *testing.T, inner http.Handler, scopes ...string) *upstream {
	t.Helper()
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		info := &auth.TokenInfo{UserID: "me", Expiration: time.Now().Add(time.Hour)}
		switch token {
		case "canary-good":
			info.Scopes = scopes
		case "canary-narrow":
		default:
			return nil, auth.ErrInvalidToken
		}
		return info, nil
	}
	guarded := auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{Scopes: scopes})(inner)
	u := &upstream{pool: &http.Transport{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r.Method+" "+r.URL.RequestURI())
		u.mu.Unlock()
		guarded.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close(); u.pool.CloseIdleConnections() })
	var err error
	u.url, err = url.Parse(s.URL + "/mcp?tenant=1")
	require.NoError(t, err)
	return u
}

func (u *upstream) requests() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

func (u *upstream) ask(t *testing.T, token config.Secret) Result {
	t.Helper()
	return Question{Upstream: u.pool, URL: u.url, Credential: &credential.Snapshot{Token: token}, MCP: true}.Ask(t.Context())
}

func server() *mcp.Server { return mcp.NewServer(&mcp.Implementation{Name: "x", Version: "1"}, nil) }

func sessions(s *mcp.Server) int {
	n := 0
	for range s.Sessions() {
		n++
	}
	return n
}

func TestOfficialServersOfEachEraAreAskedWithoutATraceLeft(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]*mcp.StreamableHTTPOptions{
		"with sessions":         nil,
		"with sessions, JSON":   {JSONResponse: true},
		"without sessions":      {Stateless: true},
		"without, answers JSON": {Stateless: true, JSONResponse: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server()
			u := serve(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, options), "read")

			good := u.ask(t, "canary-good")
			require.NoError(t, good.Err)
			require.Equal(t, verdict.Accepted, good.Verdict.Kind, "%+v", good)
			require.Eventually(t, func() bool { return sessions(s) == 0 }, 5*time.Second, time.Millisecond)

			dead := u.ask(t, "canary-revoked")
			require.Equal(t, verdict.Rejected, dead.Verdict.Kind)
			require.Equal(t, http.StatusUnauthorized, dead.Status)
			require.Equal(t, "POST initialize", dead.Request())

			narrow := u.ask(t, "canary-narrow")
			require.Equal(t, http.StatusForbidden, narrow.Status)
			require.Zero(t, sessions(s))
		})
	}
}

func TestAServerThatDoesNotKnowDiscoveryIsInitializedAndTheSessionEnded(t *testing.T) {
	t.Parallel()
	s := server()
	modern := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	u := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Method") != "" {
			http.Error(w, "no session", http.StatusBadRequest) // as servers of 2025 do
			return
		}
		modern.ServeHTTP(w, r)
	}))
	a := u.ask(t, "canary-good")
	require.Equal(t, verdict.Accepted, a.Verdict.Kind)
	require.Equal(t, "POST initialize", a.Request())
	require.Equal(t, "/mcp", a.Path)
	require.Equal(t, []string{"POST /mcp?tenant=1", "POST /mcp?tenant=1", "DELETE /mcp?tenant=1"}, u.requests())
	require.Eventually(t, func() bool { return sessions(s) == 0 }, 5*time.Second, time.Millisecond)
}

func TestAServerOfTheOldestRevisionIsAskedForItsEventStream(t *testing.T) {
	t.Parallel()
	s := server()
	u := serve(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil))
	a := u.ask(t, "canary-good")
	require.Equal(t, verdict.Accepted, a.Verdict.Kind, "%+v", a)
	require.Equal(t, "GET /mcp", a.Request())
	require.Eventually(t, func() bool { return sessions(s) == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, verdict.Rejected, u.ask(t, "canary-revoked").Verdict.Kind)
}

func TestOnlyWhatSaysNothingIsAskedAgainInAnotherWay(t *testing.T) {
	t.Parallel()
	for status, requests := range map[int]int{
		200: 1, 401: 2, 429: 1, 500: 1, 503: 1,
		302: 2, 403: 2, 415: 2,
		400: 3, 404: 3, 405: 3,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			u := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(status)
			}))
			a := u.ask(t, "canary-good")
			require.Equal(t, status, a.Status)
			require.Len(t, u.requests(), requests)
		})
	}
}

func TestATokenThatTheUpstreamRepeatsIsNotInTheAnswer(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, r.Header.Get("Authorization")))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	a := Question{Upstream: http.DefaultTransport, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, Method: "GET"}.Ask(t.Context())
	require.Equal(t, "Bearer <redacted>", a.Verdict.Challenge.Event().ErrorDescription)
	require.NotContains(t, fmt.Sprintf("%+v %+v", a, *a.Verdict.Challenge), "canary")
}

func TestAnHTTPServiceIsSentTheConfiguredRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ := io.ReadAll(r.Body)
		if len(body) > 0 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL + "/a%2Fb//c?x=")
	require.NoError(t, err)
	a := Question{Upstream: http.DefaultTransport, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, Method: "POST"}.Ask(t.Context())
	require.Equal(t, verdict.Accepted, a.Verdict.Kind)
	require.Equal(t, "/a%2Fb//c?x=", got.RequestURI)
	require.Equal(t, "Bearer canary-good", got.Header.Get("Authorization"))
	require.Equal(t, "authwatch", got.UserAgent())
	require.Equal(t, "POST /a/b//c", a.Request())
}

type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestAnUpstreamThatDoesNotAnswerIsAskedOnce(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	u := &url.URL{Scheme: "https", Host: "x.example", Path: "/mcp"}
	a := Question{Upstream: broken{down}, URL: u, Credential: &credential.Snapshot{Token: "canary-good"}, MCP: true}.Ask(t.Context())
	require.ErrorIs(t, a.Err, down)
	require.Zero(t, a.Status)
	require.Equal(t, "POST server/discover", a.Request())

	bad := Question{Upstream: broken{down}, URL: &url.URL{Scheme: "http", Host: "bad host canary"}, Credential: &credential.Snapshot{Token: "canary-good"}, Method: "GET"}.Ask(t.Context())
	require.Error(t, bad.Err)
}
