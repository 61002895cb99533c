package bus

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Config is the nats section of the configuration, as far as it is about a
// server of its own.
type Config struct {
	URL             string        `yaml:"url"`
	User            string        `yaml:"user"`
	Password        config.Secret `yaml:"password"`
	PasswordFile    string        `yaml:"password_file"`
	CredentialsFile string        `yaml:"credentials_file"`
	TLS             TLS           `yaml:"tls"`
}

// TLS are the files for a TLS connection to the server.
type TLS struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Remote is the nats section as a service reads it that embeds no server: what
// is about the embedded one may stand there too.
type Remote struct {
	Config `yaml:",inline"`
	Listen config.Ignored `yaml:"listen"`
	Users  config.Ignored `yaml:"users"`
}

// Validate reports everything that is wrong with r.
func (r *Remote) Validate() []config.Problem {
	if r.URL == "" {
		return []config.Problem{{Path: "url", Text: `is required: this binary embeds no server; write "nats://host:4222", or use authwatch run`}}
	}
	return r.Config.Validate()
}

// Validate reports everything that is wrong with c.
func (c *Config) Validate() []config.Problem {
	var problems []config.Problem
	fail := func(path, format string, args ...any) {
		problems = append(problems, config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
	}
	if c.URL != "" {
		for server := range strings.SplitSeq(c.URL, ",") {
			u, err := url.Parse(strings.TrimSpace(server))
			if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
				// The URL itself is not shown: it may hold a password.
				fail("url", `not the address of a NATS server; write "nats://host:4222", several with commas between`)
				break
			}
		}
	}
	if c.Password != "" && c.PasswordFile != "" {
		fail("password", "given both as a value and as password_file; keep one")
	}
	if c.User == "" && (c.Password != "" || c.PasswordFile != "") {
		fail("user", "is required with a password")
	}
	if c.CredentialsFile != "" && c.User != "" {
		fail("credentials_file", "logs in by itself; remove user and password, or credentials_file")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		fail("tls", "cert_file and key_file belong together; give both or none")
	}
	return problems
}

// Options returns how to connect as c says, under the name of a service.
func (c *Config) Options(name string, log *slog.Logger, metrics prometheus.Registerer) Options {
	return Options{
		URL: c.URL, Name: name,
		User: c.User, Password: c.Password, PasswordFile: c.PasswordFile, CredentialsFile: c.CredentialsFile,
		TLSCA: c.TLS.CAFile, TLSCert: c.TLS.CertFile, TLSKey: c.TLS.KeyFile,
		Log: log, Metrics: metrics,
	}
}
