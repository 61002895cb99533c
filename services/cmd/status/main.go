// Command status records the status of every workload and serves it.
package main

import (
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/service"
	"github.com/authwatch/authwatch/services/status"
)

func main() {
	service.Main("status", func() *program {
		return &program{Status: status.Config{AdminListen: "127.0.0.1:9081"}}
	})
}

// program is the configuration file; the sections of the other services may stand
// in it and are theirs.
type program struct {
	service.File `yaml:",inline"`

	Proxy    config.Ignored `yaml:"proxy"`
	Status   status.Config  `yaml:"status"`
	Notifier config.Ignored `yaml:"notifier"`
}

func (p *program) Section() service.Section {
	return service.Section{AdminListen: p.Status.AdminListen, AllowedHosts: p.Status.AllowedHosts, Problems: p.Status.Validate()}
}

func (p *program) New(with service.Parts) (service.Service, error) {
	return status.New(status.Options{
		Config: p.Status, Bus: with.Bus, Log: with.Log, Metrics: with.Metrics, Trace: with.Trace,
	})
}
