package status

import (
	"cmp"
	"net"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Config is the status section of the configuration.
type Config struct {
	// Listen is where the API and the page are served; default 127.0.0.1:8081.
	Listen string `yaml:"listen"`
	// AdminListen is where health and metrics are served; the process shell does.
	AdminListen string `yaml:"admin_listen"`
	// AllowedHosts are Host names that both listeners answer to, beside the loopback
	// names and their own.
	AllowedHosts []string `yaml:"allowed_hosts"`
}

func (c Config) listen() string { return cmp.Or(c.Listen, "127.0.0.1:8081") }

// Validate reports everything that is wrong with c.
func (c *Config) Validate() []config.Problem {
	var problems []config.Problem
	for _, f := range []struct{ path, addr string }{{"listen", c.Listen}, {"admin_listen", c.AdminListen}} {
		if f.addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(f.addr); err != nil {
			problems = append(problems, config.Problem{Path: f.path, Text: "want HOST:PORT: " + err.Error()})
		}
	}
	return problems
}
