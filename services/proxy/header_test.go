package proxy_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// forms are credentials in other headers than Authorization: Bearer, all with the
// secret in the file that a world has.
func forms(file string) map[string]struct {
	credential credential.Config
	sent       func(secret string) http.Header
	challenge  string
} {
	const fixed = "k7Qz92mmVxXY0412"
	token := "Token"
	type form = struct {
		credential credential.Config
		sent       func(secret string) http.Header
		challenge  string
	}
	return map[string]form{
		"a header of its own": {
			credential.Config{BearerTokenFile: file, Header: "X-API-Key"},
			func(s string) http.Header { return http.Header{"X-Api-Key": {s}} }, `ApiKey realm="x"`,
		},
		"another scheme": {
			credential.Config{BearerTokenFile: file, Prefix: &token},
			func(s string) http.Header { return http.Header{"Authorization": {"Token " + s}} }, `Token realm="x"`,
		},
		"two headers": {
			credential.Config{Headers: []credential.Header{{Name: "DD-API-KEY", ValueFile: file}, {Name: "DD-APPLICATION-KEY", Value: fixed}}},
			func(s string) http.Header { return http.Header{"Dd-Api-Key": {s}, "Dd-Application-Key": {fixed}} }, "",
		},
		"basic": {
			credential.Config{Basic: &credential.Basic{Username: "robot", PasswordFile: file}},
			func(s string) http.Header {
				return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("robot:"+s))}}
			}, `Basic realm="x"`,
		},
	}
}

func TestACredentialOfAnyKindIsAttachedJudgedAndHidden(t *testing.T) {
	t.Parallel()
	for name := range forms("") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newRemote(t)
			var got atomic.Pointer[http.Header]
			var good atomic.Pointer[http.Header]
			out, reg := &locked{}, prometheus.NewRegistry()
			w := newWorld(t, up.URL+"/mcp", func(w *world) {
				w.cfg.Workloads[0].Credential = forms(w.token)[name].credential
				w.metrics, w.cfg.AccessLog = reg, true
				w.log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
				form := forms(w.token)[name]
				first := form.sent(goodToken)
				good.Store(&first)
				up.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					h := r.Header.Clone()
					got.Store(&h)
					for name, values := range *good.Load() {
						if fmt.Sprint(h[name]) == fmt.Sprint(values) {
							continue
						}
						if form.challenge != "" {
							rw.Header().Set("WWW-Authenticate", fmt.Sprintf("%s, error_description=%q", form.challenge, fmt.Sprint(h[name])))
						}
						rw.WriteHeader(http.StatusUnauthorized)
						return
					}
					rw.Header().Set("Content-Type", "application/json")
					_, _ = rw.Write([]byte(`{"jsonrpc":"2.0","id":7,"result":{}}`))
				})
			})
			form := forms(w.token)[name]
			call := func() reply {
				return w.do(http.MethodPost, "/github", `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`,
					"Authorization", "Bearer client-secret", "Cookie", "a=client-secret", "X-Api-Key", "client-secret", "X_Api_Key", "client-secret",
					"Dd-Api-Key", "client-secret", "Dd_api-Key", "client-secret", "Dd-Application-Key", "client-secret", "X-Other", "kept")
			}
			require.Equal(t, http.StatusOK, call().status)
			w.expect("loaded", "authorized")
			require.Equal(t, "kept", got.Load().Get("X-Other"))
			for header, values := range form.sent(goodToken) {
				require.Equal(t, values, (*got.Load())[header])
			}
			require.Empty(t, got.Load().Get("Cookie"))
			if form.credential.Header != "" || form.credential.Headers != nil {
				require.Empty(t, got.Load().Get("Authorization"), "the client's is for the proxy")
			}
			for header := range form.sent("") {
				require.NotContains(t, fmt.Sprint((*got.Load())[header]), "client-secret")
			}
			if form.credential.Headers != nil {
				require.Empty(t, (*got.Load())["Dd_api-Key"], "servers read it as Dd-Api-Key")
			}

			next := form.sent(otherToken)
			good.Store(&next)
			r := call()
			require.Equal(t, http.StatusServiceUnavailable, r.status)
			require.Contains(t, r.body, events.ReasonBare401)
			dead := w.expect("loaded", "authorized", "unauthorized")[2].data
			require.Equal(t, events.ReasonBare401, dead.Reason(events.TypeUnauthorized))
			w.put(otherToken)
			require.Eventually(t, func() bool { return call().status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
			w.expect("loaded", "authorized", "unauthorized", "loaded", "authorized")

			source, err := credential.New(form.credential, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			trial, err := proxy.Try(t.Context(), w.cfg.Workloads[0], source.Reread(t.Context()))
			require.NoError(t, err)
			require.Equal(t, "accepted", trial.Result(), "the proxy's own question carries the same")

			all := w.sinks(out, reg)
			all["answer"] = r.body
			for where, text := range all {
				for _, values := range form.sent(goodToken) {
					redacttest.RequireNone(t, text, values[0], where)
				}
				redacttest.RequireNone(t, text, goodToken, where)
			}
		})
	}
}

func TestAProbeCannotReplaceTheCredential(t *testing.T) {
	t.Parallel()
	c := proxy.Config{Workloads: []proxy.Workload{{
		Name: "x", Upstream: "https://x.example",
		Credential: credential.Config{BearerTokenFile: "/x", Header: "X-API-Key"},
		Probe:      &proxy.Probe{Headers: map[string]string{"x-api-key": "y"}},
	}}}
	problems := c.Validate()
	require.Len(t, problems, 1)
	require.Equal(t, config.Problem{Path: "workloads[0].probe.headers", Text: `"x-api-key" carries the credential; leave it out`}, problems[0])
}

func TestPassthroughHasNoHeadersOfACredential(t *testing.T) {
	t.Parallel()
	for _, c := range []credential.Config{
		{Header: "X-API-Key"}, {Headers: []credential.Header{{Name: "A", Value: "v"}}}, {Basic: &credential.Basic{Username: "a", PasswordFile: "x"}},
	} {
		cfg := proxy.Config{Workloads: []proxy.Workload{{
			Name: "x", Upstream: "https://x.example", ClientAuthorization: proxy.Passthrough, Credential: c,
		}}}
		problems := cfg.Validate()
		require.Len(t, problems, 1)
		require.Contains(t, problems[0].Text, "is never used")
	}
}
