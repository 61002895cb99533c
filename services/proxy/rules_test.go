package proxy_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/rule"
)

// withProvider is a workload of kind http whose answers are read as a provider's.
func withProvider(name string) func(*world) {
	return func(w *world) {
		c := &w.cfg.Workloads[0]
		c.Kind, c.Provider = proxy.KindHTTP, name
	}
}

// answers makes the upstream answer all requests in one way.
func answers(up *remote, status int, body string, header ...string) {
	up.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// told waits for an observation of the type, such as "authorized", and returns it.
func (w *world) told(typ string) events.Observation {
	w.t.Helper()
	var found events.Observation
	require.Eventually(w.t, func() bool {
		for _, e := range w.events() {
			if e.typ == "auth."+typ {
				found = e.data
				return true
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond, "%s was not told: %v", typ, w.types())
	return found
}

func TestARejectionInTheBodyIsToldAndTheAnswerPassesAsItIs(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("slack"))
	answers(up, 200, `{"ok":true}`)
	require.Equal(t, 200, w.do(http.MethodGet, "/github/conversations.list", "").status)
	w.told("authorized")

	const dead = `{"ok":false,"error":"token_revoked"}`
	answers(up, 200, dead, "X-Own", "1")
	r := w.do(http.MethodGet, "/github/conversations.list", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, dead, r.body) //nolint:testifylint // byte for byte
	require.Equal(t, "1", r.header.Get("X-Own"))
	o := w.told("unauthorized")
	require.Equal(t, &events.Response{Status: 200, Rule: "token_revoked"}, o.Response)
	require.Equal(t, "token_revoked", o.Reason(events.TypeUnauthorized))

	answers(up, 200, `{"ok":true}`)
	w.do(http.MethodGet, "/github/conversations.list", "")
	require.Eventually(t, func() bool {
		types := w.types()
		return types[len(types)-1] == "authorized"
	}, 10*time.Second, 5*time.Millisecond)
}

func TestAnErrorAboutSomethingElseIsNoVerdict(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("slack"))
	answers(up, 200, `{"ok":false,"error":"channel_not_found"}`)
	for range 5 {
		w.do(http.MethodGet, "/github/chat.postMessage", "")
	}
	answers(up, 200, `{"ok":true}`)
	w.do(http.MethodGet, "/github/auth.test", "")
	o := w.told("authorized")
	require.Equal(t, "/auth.test", o.Request.Path)
	require.Equal(t, []string{"loaded", "authorized"}, w.types())
}

func TestACompressedRejectionIsReadAndArrivesCompressed(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"ok":false,"error":"account_inactive"}`)
	require.NoError(t, z.Close())
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("slack"))
	accepted := make(chan string, 100)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		accepted <- r.Header.Get("Accept-Encoding")
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(packed.Bytes())
	})
	r := w.do(http.MethodGet, "/github/x", "", "Accept-Encoding", "br;q=1.0, zstd, gzip;q=0.8, *;q=0.1")
	require.Equal(t, packed.String(), r.body)
	require.Equal(t, "gzip;q=0.8", <-accepted, "what rules cannot read is not asked for")
	require.Equal(t, "account_inactive", w.told("unauthorized").Response.Rule)
}

func TestAnAnswerWhoseBodyCannotBeReadIsNoAcceptance(t *testing.T) {
	t.Parallel()
	log := &locked{}
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("slack"), func(w *world) { w.log = slog.New(slog.NewTextHandler(log, nil)) })
	answers(up, 200, "\x0b\x02\x80", "Content-Encoding", "br")
	for range 3 {
		require.Equal(t, "\x0b\x02\x80", w.do(http.MethodGet, "/github/x", "", "Accept-Encoding", "br").body)
	}
	answers(up, 200, `{"ok":true}`)
	w.do(http.MethodGet, "/github/y", "")
	require.Equal(t, "/y", w.told("authorized").Request.Path)
	require.Equal(t, 1, strings.Count(log.String(), "rules cannot read"))
}

func TestARejectionInAHeaderIsShielded(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("jira"), func(w *world) { w.cfg.Workloads[0].OnUnauthorized = proxy.Shield })
	answers(up, 200, `[]`, "X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
	r := w.do(http.MethodGet, "/github/rest/api/3/search", "")
	require.Equal(t, 503, r.status)
	require.Contains(t, r.body, "authentication_failed")
	require.Equal(t, "authentication_failed", w.told("unauthorized").Response.Rule)
}

func TestATokenThatIsNotLetInIsForbiddenAndSaysWhereToGo(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider("github"))
	answers(up, 403, `{"message":"Resource protected by organization SAML enforcement."}`,
		"X-GitHub-SSO", "required; url=https://github.com/orgs/acme/sso?authorization_request=AZS1")
	require.Equal(t, 403, w.do(http.MethodGet, "/github/repos", "").status)
	o := w.told("forbidden")
	require.Equal(t, &events.Response{Status: 403, Rule: "sso_required", Address: "https://github.com/orgs/acme/sso"}, o.Response)
	require.NotContains(t, w.types(), "unauthorized")
}

func TestARuleMakesAnExceptionOfA401(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider(""), func(w *world) {
		w.cfg.Workloads[0].Rules = []rule.Rule{{
			Status: config.List{"401"}, Header: map[string]config.List{"X-Error": {"quota*"}}, Verdict: "nothing",
		}}
	})
	answers(up, 401, `{}`, "X-Error", "quota_exceeded")
	for range 3 {
		require.Equal(t, 401, w.do(http.MethodGet, "/github/x", "").status)
	}
	answers(up, 401, `{}`, "X-Error", "expired")
	w.do(http.MethodGet, "/github/y", "")
	require.Equal(t, "/y", w.told("unauthorized").Request.Path)
}

func TestAToolThatFailsForTheTokenIsReadFromAnEventStreamThatIsNotHeldBack(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, func(w *world) { w.cfg.Workloads[0].Provider = "mcp-tool-error" })
	more := make(chan bool)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Contains(body, []byte("tools/call")) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"jsonrpc":"2.0","id":"authwatch","error":{"code":-32601,"message":"no such method"}}`)
			return
		}
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(rw, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n")
		rw.(http.Flusher).Flush()
		<-more
		_, _ = io.WriteString(rw, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"HTTP 401\"}]}}\n\n")
	})
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.proxy.Address()+"/github",
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		first := make([]byte, 20)
		_, err = io.ReadFull(resp.Body, first)
		require.NoError(t, err, "the first event comes before the second is written")
		more <- true
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Contains(t, string(rest), "HTTP 401")
		require.NoError(t, resp.Body.Close())
	}
	o := w.told("unauthorized")
	require.Equal(t, "tool_unauthorized", o.Response.Rule)
	require.Equal(t, "search", o.Request.MCPName)
}

func TestAnOwnQuestionIsJudgedByTheRules(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	ask := func(provider string) string {
		trial, err := proxy.Try(t.Context(), proxy.Workload{Name: "x", Kind: proxy.KindHTTP, Upstream: up.URL, Provider: provider}, &credential.Snapshot{Token: goodToken})
		require.NoError(t, err)
		return trial.Result() + " " + trial.Reason
	}
	answers(up, 200, `{"ok":false,"error":"token_expired"}`)
	require.Equal(t, "accepted ", ask(""))
	require.Equal(t, "rejected token_expired", ask("slack"))
	answers(up, 200, `[]`, "X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
	require.Equal(t, "rejected authentication_failed", ask("jira"))
	answers(up, 403, `{}`, "X-GitHub-SSO", "required; url=https://github.com/orgs/acme/sso")
	require.Equal(t, "forbidden sso_required", ask("github"))
}

func TestWhatIsWrongWithRulesAndProviderIsToldWithItsKey(t *testing.T) {
	t.Parallel()
	var c struct {
		Proxy proxy.Config `yaml:"proxy"`
	}
	doc, err := config.Parse("authwatch.yaml", []byte(`proxy:
  workloads:
    - name: chat
      kind: http
      upstream: https://slack.com/api
      credential: {bearer_token_env: SLACK}
      provider: slak
      rules:
        - {status: 2000, verdict: rejected}
        - json: {error: x}
          verdict: rejected
`), &c)
	require.NoError(t, err)
	require.EqualError(t, doc.Check("proxy", c.Proxy.Validate()), `authwatch.yaml:7: proxy.workloads[0].provider: "slak" is not known; did you mean "slack"?
authwatch.yaml:9: proxy.workloads[0].rules[0].status: "2000" is not a status; write one such as 200, or a class such as 4xx
authwatch.yaml:10: proxy.workloads[0].rules[1].json.error: is not a JSON pointer; it starts with /, as in /error/code`)
}

func TestTheEndOfAPlainTokenIsReadOffAnAnswer(t *testing.T) {
	t.Parallel()
	up := newRemote(t, goodToken)
	w := newWorld(t, up.URL, withProvider(""))
	ends := time.Now().UTC().Add(5 * time.Hour).Truncate(time.Second)
	answers(up, 200, `{}`, "GitHub-Authentication-Token-Expiration", ends.Format("2006-01-02 15:04:05")+" UTC")
	w.do(http.MethodGet, "/github/user", "")
	o := w.told("expiring")
	require.Equal(t, ends, *o.Credential.ExpiresAt)
	require.Equal(t, credential.Fingerprint(goodToken), o.Credential.Fingerprint)
}
