package proxy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

func valid() proxy.Config {
	return proxy.Config{Workloads: []proxy.Workload{{
		Name: "github", Upstream: "https://api.example.com/mcp",
		Credential: credential.Config{BearerTokenFile: "/run/secrets/github"},
	}}}
}

func TestEachMistakeHasItsMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(c *proxy.Config, w *proxy.Workload)
		want   string
	}{
		{"good", func(*proxy.Config, *proxy.Workload) {}, ""},
		{"no name", func(_ *proxy.Config, w *proxy.Workload) { w.Name = "" }, "workloads[0].name: is required"},
		{"no label", func(_ *proxy.Config, w *proxy.Workload) { w.Name = "Git_Hub" }, `workloads[0].name: "Git_Hub": a workload name has 1 to 63 characters of a-z, 0-9 and -, and neither starts nor ends with -`},
		{"reserved", func(_ *proxy.Config, w *proxy.Workload) { w.Name = "token" }, `workloads[0].name: "token" is reserved: /token is answered by the proxy itself`},
		{"twice", func(c *proxy.Config, w *proxy.Workload) { c.Workloads = append(c.Workloads, *w) }, `workloads[1].name: "github" is used twice`},
		{"no upstream", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "" }, "workloads[0].upstream: is required: the URL of the remote server"},
		{"no URL", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "api.example.com/mcp" }, `workloads[0].upstream: is not a URL with a host; write it as "https://api.example.com/mcp"`},
		{"scheme", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "ftp://h" }, `workloads[0].upstream: "ftp" is not a scheme for an upstream; use http or https`},
		{"userinfo", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "https://a:b@h" }, "workloads[0].upstream: contains a user or password; put the token in credential"},
		{"itself", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "http://127.0.0.1:8080" }, "workloads[0].upstream: 127.0.0.1:8080 is this proxy itself"},
		{"itself by name", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "http://localhost:8080/x" }, "workloads[0].upstream: localhost:8080 is this proxy itself"},
		{"itself in loopback's zone", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "http://Me.LocalHost.:8080" }, "workloads[0].upstream: Me.LocalHost.:8080 is this proxy itself"},
		{"itself at no address", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "http://0.0.0.0:8080" }, "workloads[0].upstream: 0.0.0.0:8080 is this proxy itself"},
		{"itself in IPv6", func(_ *proxy.Config, w *proxy.Workload) { w.Upstream = "http://[::ffff:127.0.0.1]:8080" }, "workloads[0].upstream: [::ffff:127.0.0.1]:8080 is this proxy itself"},
		{"itself on all addresses", func(c *proxy.Config, w *proxy.Workload) {
			c.Listen, c.AllowAnonymousClients, w.Upstream = ":8080", true, "http://127.0.0.9:8080"
		}, "workloads[0].upstream: 127.0.0.9:8080 is this proxy itself"},
		{"itself at the default port", func(c *proxy.Config, w *proxy.Workload) { c.Listen, w.Upstream = "127.0.0.1:80", "http://localhost" }, "workloads[0].upstream: localhost is this proxy itself"},
		{"the listener of a workload", func(_ *proxy.Config, w *proxy.Workload) {
			w.Listen, w.Upstream = "localhost:8099", "http://127.0.0.1:8099"
		}, "workloads[0].upstream: 127.0.0.1:8099 is this proxy itself"},
		{"kind", func(_ *proxy.Config, w *proxy.Workload) { w.Kind = "grpc" }, `workloads[0].kind: "grpc" is not known; write mcp or http`},
		{"policy", func(_ *proxy.Config, w *proxy.Workload) { w.OnUnauthorized = "hide" }, `workloads[0].on_unauthorized: "hide" is not known; write shield or transparent`},
		{"open", func(c *proxy.Config, _ *proxy.Workload) { c.Listen = ":8080" }, "listen: :8080 is open to the network: anyone who reaches it could use the workloads' credentials; set client_auth.bearer_token_file, listen on 127.0.0.1, or write allow_anonymous_clients: true"},
		{"open on purpose", func(c *proxy.Config, _ *proxy.Workload) { c.Listen, c.AllowAnonymousClients = "0.0.0.0:8080", true }, ""},
		{"open own listener", func(_ *proxy.Config, w *proxy.Workload) { w.Listen = "10.0.0.1:1" }, "workloads[0].listen: 10.0.0.1:1 is open to the network: anyone who reaches it could use the workloads' credentials; set client_auth.bearer_token_file, listen on 127.0.0.1, or write allow_anonymous_clients: true"},
		{"no address", func(c *proxy.Config, _ *proxy.Workload) { c.Listen = "8080" }, `listen: "8080" is not an address; write it as "127.0.0.1:8080"`},
		{"same address", func(_ *proxy.Config, w *proxy.Workload) { w.Listen = "127.0.0.1:8080" }, "workloads[0].listen: 127.0.0.1:8080 is already used by listen"},
		{"no client file", func(c *proxy.Config, _ *proxy.Workload) { c.ClientAuth = &proxy.ClientAuth{} }, "client_auth.bearer_token_file: is required: the file with the clients' tokens, one per line"},
		{"passthrough with a credential", func(_ *proxy.Config, w *proxy.Workload) { w.ClientAuthorization = "passthrough" }, "workloads[0].credential: is never used: with client_authorization: passthrough the client sends its own"},
		{"no CA", func(_ *proxy.Config, w *proxy.Workload) { w.CAFile = "/nonexistent" }, "workloads[0].ca_file: open /nonexistent: no such file or directory"},
		{"eager probe", func(_ *proxy.Config, w *proxy.Workload) {
			w.Probe = &proxy.Probe{IdleAfter: config.Duration(time.Minute)}
		}, "workloads[0].probe.idle_after: 1m0s is too often for somebody else's server; the minimum is 10m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := valid()
			c.change(&cfg, &cfg.Workloads[0])
			var got []string
			for _, p := range cfg.Validate() {
				got = append(got, p.Error())
			}
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}

func TestTheSectionIsReadStrictly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "authwatch.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
proxy:
  listen: 127.0.0.1:8080
  client_auth: {bearer_token_file: /run/secrets/clients}
  limits: {request_body: 1048576, idle_timeout: 1m}
  workloads:
    - name: github
      kind: mcp
      upstream: https://api.example.com/mcp
      labels: {team: a}
      credential: {bearer_token_file: /run/secrets/github}
      on_unauthorized: shield
      unauthorized_after: 2
      timeouts: {connect: 5s, answer: 2m}
      probe: {idle_after: 30m}
`), 0o600))
	var got struct {
		Proxy proxy.Config `yaml:"proxy"`
	}
	_, err := config.Load(file, &got)
	require.NoError(t, err)
	require.Empty(t, got.Proxy.Validate())
	require.Equal(t, 2, got.Proxy.Workloads[0].UnauthorizedAfter)
	require.Equal(t, 30*time.Minute, got.Proxy.Workloads[0].Probe.IdleAfter.Std())
}
