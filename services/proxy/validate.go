package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/probe"
	"github.com/authwatch/authwatch/services/proxy/rule"
)

// reserved names would hide the paths that are answered at the root of the
// shared listener.
var reserved = []string{"register", "authorize", "token"}

type problems []config.Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// Validate reports everything that is wrong with c. It reads no credential.
func (c *Config) Validate() []config.Problem {
	var p problems
	seen := map[string]string{} // address → path
	c.checkListen(&p, seen, "listen", c.listen())
	if c.AdminListen != "" {
		checkAddress(&p, seen, "admin_listen", c.AdminListen)
	}
	if c.ClientAuth != nil && c.ClientAuth.BearerTokenFile == "" {
		p.add("client_auth.bearer_token_file", "is required: the file with the clients' tokens, one per line")
	}
	if c.Limits.RequestHeader < 0 || c.Limits.HeaderTimeout < 0 || c.Limits.IdleTimeout < 0 {
		p.add("limits", "must not be negative")
	}
	names := map[string]bool{}
	for i := range c.Workloads {
		w, at := &c.Workloads[i], fmt.Sprintf("workloads[%d]", i)
		switch err := events.ValidWorkload(w.Name); {
		case w.Name == "":
			p.add(at+".name", "is required")
		case err != nil:
			p.add(at+".name", "%v", err)
		case slices.Contains(reserved, w.Name):
			p.add(at+".name", "%q is reserved: /%s is answered by the proxy itself", w.Name, w.Name)
		case names[w.Name]:
			p.add(at+".name", "%q is used twice", w.Name)
		}
		names[w.Name] = true
		if w.Listen != "" {
			c.checkListen(&p, seen, at+".listen", w.Listen)
		}
		w.check(&p, at, c)
	}
	return p
}

func (c *Config) checkListen(p *problems, seen map[string]string, path, addr string) {
	if !checkAddress(p, seen, path, addr) || listen.Loopback(addr) {
		return
	}
	if c.ClientAuth == nil && !c.AllowAnonymousClients {
		p.add(path, "%s is open to the network: anyone who reaches it could use the workloads' credentials; set client_auth.bearer_token_file, listen on 127.0.0.1, or write allow_anonymous_clients: true", addr)
	}
}

func checkAddress(p *problems, seen map[string]string, path, addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		p.add(path, `%q is not an address; write it as "127.0.0.1:8080"`, addr)
		return false
	}
	if other, ok := seen[addr]; ok && port != "0" {
		p.add(path, "%s is already used by %s", addr, other)
		return false
	}
	seen[addr] = path
	return true
}

func (w *Workload) check(p *problems, at string, c *Config) {
	w.checkUpstream(p, at, c)
	oneOf(p, at+".kind", w.Kind, KindMCP, KindHTTP)
	oneOf(p, at+".on_unauthorized", w.OnUnauthorized, Shield, Transparent)
	oneOf(p, at+".client_authorization", w.ClientAuthorization, Strip, Passthrough)
	if w.UnauthorizedAfter < 0 {
		p.add(at+".unauthorized_after", "must be 1 or more")
	}
	if d := w.settle(); d < 0 || d > time.Minute {
		p.add(at+".settle", "must be between 0s and 1m")
	}
	if w.Timeouts.Connect < 0 || w.Timeouts.Answer < 0 {
		p.add(at+".timeouts", "must not be negative")
	}
	switch hasCredential := !w.Credential.IsZero(); {
	case !w.passthrough():
		for _, cp := range w.Credential.Validate() {
			p.add(joinPath(at+".credential", cp.Path), "%s", cp.Text)
		}
	case hasCredential:
		p.add(at+".credential", "is never used: with client_authorization: passthrough the client sends its own")
	case w.OnUnauthorized == Shield:
		p.add(at+".on_unauthorized", "shield would hide what the upstream says about the client's own token; with passthrough write transparent")
	case w.Probe != nil:
		p.add(at+".probe", "needs a credential; passthrough has none")
	}
	if len(w.Labels) > 32 {
		p.add(at+".labels", "has %d labels; 32 are allowed", len(w.Labels))
	}
	for k, v := range w.Labels {
		if k == "" || len(k) > 63 || len(v) > 256 {
			p.add(at+".labels", "%q: a label has a name of up to 63 and a value of up to 256 characters", k)
		}
	}
	if _, err := outbound.Roots(w.CAFile); err != nil {
		p.add(at+".ca_file", "%v", err)
	}
	w.checkProbe(p, at+".probe")
	w.checkRules(p, at)
}

func (w *Workload) checkRules(p *problems, at string) {
	for _, rp := range rule.Validate(w.Rules) {
		p.add(at+".rules"+rp.Path, "%s", rp.Text)
	}
	if text := rule.ValidateProvider(w.Provider); text != "" {
		p.add(at+".provider", "%s", text)
	}
	if w.passthrough() && (w.Provider != "" || len(w.Rules) > 0) {
		p.add(at, "rules and provider need a credential; passthrough has none")
	}
}

func (w *Workload) checkUpstream(p *problems, at string, c *Config) {
	at += ".upstream"
	u, err := url.Parse(w.Upstream)
	switch {
	case w.Upstream == "":
		p.add(at, "is required: the URL of the remote server")
	case err != nil || u.Host == "" || u.Hostname() == "":
		p.add(at, `is not a URL with a host; write it as "https://api.example.com/mcp"`)
	case u.Scheme != "http" && u.Scheme != "https":
		p.add(at, "%q is not a scheme for an upstream; use http or https", u.Scheme)
	case u.User != nil:
		p.add(at, "contains a user or password; put the token in credential")
	case u.Fragment != "":
		p.add(at, "has a fragment, which is never sent")
	case c.listensAt(u):
		p.add(at, "%s is this proxy itself", u.Host)
	}
}

// ownHeaders of a question are not for the configuration.
var ownHeaders = []string{"Authorization", "Cookie", "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Connection"}

func notInHeaderName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func (w *Workload) checkProbe(p *problems, at string) {
	if w.Probe == nil {
		return
	}
	for key, d := range map[string]time.Duration{".idle_after": w.Probe.IdleAfter.Std(), ".every": w.Probe.Every.Std()} {
		if d != 0 && d < probe.Soonest {
			p.add(at+key, "%s is too often for somebody else's server; the minimum is 10m", d)
		}
	}
	carried := w.Credential.HeaderNames()
	for name := range w.Probe.Headers {
		if slices.Contains(carried, http.CanonicalHeaderKey(name)) {
			p.add(at+".headers", "%q carries the credential; leave it out", name)
			continue
		}
		if name == "" || strings.ContainsFunc(name, notInHeaderName) || slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			p.add(at+".headers", "%q cannot be set; the proxy sets Authorization, Host and User-Agent itself", name)
		}
	}
	if e := w.Probe.Expect; e.JSON != "" && !strings.HasPrefix(e.JSON, "/") {
		p.add(at+".expect.json", "%q is not a JSON pointer; write it as \"/user/id\"", e.JSON)
	}
	if w.Probe.Path != "" && !strings.HasPrefix(w.Probe.Path, "/") {
		p.add(at+".path", "%q does not start with /", w.Probe.Path)
	}
	oneOf(p, at+".method", w.Probe.Method, http.MethodGet, http.MethodPost)
	if w.kind() == KindMCP && (w.Probe.Path != "" || w.Probe.Method != "" || len(w.Probe.Expect.Status) > 0 || w.Probe.Expect.JSON != "") {
		p.add(at, "method, path and expect are for kind: http; an MCP server is asked server/discover or initialize")
	}
}

func oneOf(p *problems, path, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		p.add(path, "%q is not known; write %s", value, strings.Join(allowed, " or "))
	}
}

func joinPath(a, b string) string {
	if b == "" {
		return a
	}
	return a + "." + b
}
