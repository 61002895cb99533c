package proxy

import (
	"cmp"
	"net/url"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/rule"
)

// Config is the proxy section of the configuration.
type Config struct {
	// Listen is where every workload is served at /<name>; default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// AdminListen is where health and metrics are served; the process shell does.
	AdminListen string `yaml:"admin_listen"`
	// ClientAuth are the tokens that clients must send. Without it the proxy
	// listens on loopback addresses only, unless AllowAnonymousClients.
	ClientAuth            *ClientAuth `yaml:"client_auth"`
	AllowAnonymousClients bool        `yaml:"allow_anonymous_clients"`
	// AllowedHosts and AllowedOrigins are accepted besides the loopback names and
	// the listener's own.
	AllowedHosts   []string   `yaml:"allowed_hosts"`
	AllowedOrigins []string   `yaml:"allowed_origins"`
	AccessLog      bool       `yaml:"access_log"` // one line per request
	Limits         Limits     `yaml:"limits"`
	Workloads      []Workload `yaml:"workloads"`
}

// ClientAuth says who may use the proxy.
type ClientAuth struct {
	// BearerTokenFile holds one token per line; a change takes effect at once.
	BearerTokenFile string `yaml:"bearer_token_file"`
}

// Limits bound what a client may cost. None cuts a stream.
type Limits struct {
	RequestBody   int64           `yaml:"request_body"`   // bytes; 0: 1 GiB, -1: any size
	RequestHeader int             `yaml:"request_header"` // bytes; 0: 64 KiB
	HeaderTimeout config.Duration `yaml:"header_timeout"` // for the client to send its headers; 0: 10s
	IdleTimeout   config.Duration `yaml:"idle_timeout"`   // of a connection between requests; 0: 2m
}

// What a workload speaks.
const (
	KindMCP  = "mcp"
	KindHTTP = "http"
)

// What the client sees of a rejected credential.
const (
	Shield      = "shield"      // 503 that says what is wrong
	Transparent = "transparent" // the upstream's answer, byte for byte
)

// What happens to the client's own Authorization.
const (
	Strip       = "strip"
	Passthrough = "passthrough"
)

// Workload is one upstream and the credential for it.
type Workload struct {
	Name     string            `yaml:"name"`
	Kind     string            `yaml:"kind"` // default mcp
	Upstream string            `yaml:"upstream"`
	Listen   string            `yaml:"listen"` // a listener of its own, besides /<name>
	Labels   map[string]string `yaml:"labels"`

	Credential          credential.Config `yaml:"credential"`
	ClientAuthorization string            `yaml:"client_authorization"` // default strip
	OnUnauthorized      string            `yaml:"on_unauthorized"`      // default shield for mcp, transparent for http
	// UnauthorizedAfter is how many consecutive rejections are believed; default 1.
	UnauthorizedAfter int `yaml:"unauthorized_after"`
	// Settle is how long the rejections of a new credential are not believed at
	// once: the upstream may not know it yet. Default 3s; 0s: not at all.
	Settle *config.Duration `yaml:"settle"`

	// Rules say which answers of this upstream are about the credential where HTTP
	// does not say it; those of a Provider come after them.
	Rules    []rule.Rule `yaml:"rules"`
	Provider string      `yaml:"provider"`

	CAFile   string   `yaml:"ca_file"` // instead of the system's roots
	Timeouts Timeouts `yaml:"timeouts"`
	Probe    *Probe   `yaml:"probe"`
}

// Timeouts apply until the upstream's answer begins.
type Timeouts struct {
	Connect config.Duration `yaml:"connect"` // TCP and TLS, each; 0: 10s
	Answer  config.Duration `yaml:"answer"`  // from the request to the answer's headers; 0: 10m
}

// Probe is how, and when, the proxy itself asks the upstream about the token.
type Probe struct {
	// IdleAfter asks an upstream that nobody uses, so that a token that dies unused
	// is seen; Every asks one that is used, too. At least 10m; 0: not for that.
	IdleAfter config.Duration   `yaml:"idle_after"`
	Every     config.Duration   `yaml:"every"`
	Headers   map[string]string `yaml:"headers"` // that real clients send and the upstream needs
	Method    string            `yaml:"method"`  // of kind http; default GET
	Path      string            `yaml:"path"`    // of kind http, below the upstream; default: the upstream itself
	Expect    Expect            `yaml:"expect"`  // of kind http
}

// Expect is what the answer to a good token is like.
type Expect struct {
	Status []int  `yaml:"status"` // default: any that is an acceptance
	JSON   string `yaml:"json"`   // a pointer (RFC 6901) to a value that is there
}

const defaultListen = "127.0.0.1:8080"

func (c *Config) listen() string { return cmp.Or(c.Listen, defaultListen) }

func (l Limits) requestBody() int64 {
	switch {
	case l.RequestBody < 0:
		return 0
	case l.RequestBody == 0:
		return 1 << 30
	}
	return l.RequestBody
}

func (w *Workload) kind() string { return cmp.Or(w.Kind, KindMCP) }

func (w *Workload) passthrough() bool { return w.ClientAuthorization == Passthrough }

func (w *Workload) shielded() bool {
	if w.OnUnauthorized != "" {
		return w.OnUnauthorized == Shield
	}
	return w.kind() == KindMCP && !w.passthrough()
}

func (w *Workload) settle() time.Duration {
	if w.Settle == nil {
		return 3 * time.Second
	}
	return w.Settle.Std()
}

func (w *Workload) base() (*url.URL, error) { return url.Parse(w.Upstream) }

// shown is the upstream as events carry it: no query, which may hold a secret.
func (w *Workload) shown() string {
	u, err := w.base()
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

func (t Timeouts) connect() time.Duration { return cmp.Or(t.Connect.Std(), 10*time.Second) }
func (t Timeouts) answer() time.Duration  { return cmp.Or(t.Answer.Std(), 10*time.Minute) }
