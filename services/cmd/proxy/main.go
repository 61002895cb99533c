// Command proxy attaches the credentials of workloads and reports what upstreams make of them.
package main

import (
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/service"
	"github.com/authwatch/authwatch/services/proxy"
)

func main() {
	service.Main("proxy", func() *program {
		return &program{Proxy: proxy.Config{AdminListen: "127.0.0.1:9080"}}
	})
}

// program is the configuration file; the sections of the other services may stand
// in it and are theirs.
type program struct {
	service.File `yaml:",inline"`

	Proxy    proxy.Config   `yaml:"proxy"`
	Status   config.Ignored `yaml:"status"`
	Notifier config.Ignored `yaml:"notifier"`

	running *proxy.Proxy
}

func (p *program) Section() service.Section {
	return service.Section{AdminListen: p.Proxy.AdminListen, AllowedHosts: p.Proxy.AllowedHosts, Problems: p.Proxy.Validate()}
}

func (p *program) New(with service.Parts) (service.Service, error) {
	var err error
	p.running, err = proxy.New(proxy.Options{
		Config: p.Proxy, DataDir: p.DataDir, Bus: with.Bus, Log: with.Log, Metrics: with.Metrics, Trace: with.Trace,
	})
	return p.running, err
}

// Reload takes the workloads of next into service.
func (p *program) Reload(next *program) error { return p.running.Reload(next.Proxy) }
