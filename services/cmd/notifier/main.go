// Command notifier tells people about workloads that lost their credential.
package main

import (
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/service"
	"github.com/authwatch/authwatch/services/notifier"
)

func main() {
	service.Main("notifier", func() *program {
		return &program{Notifier: notifier.Config{AdminListen: "127.0.0.1:9082"}}
	})
}

// program is the configuration file; the sections of the other services may stand
// in it and are theirs.
type program struct {
	service.File `yaml:",inline"`

	Proxy    config.Ignored  `yaml:"proxy"`
	Status   config.Ignored  `yaml:"status"`
	Notifier notifier.Config `yaml:"notifier"`
}

func (p *program) Section() service.Section {
	return service.Section{AdminListen: p.Notifier.AdminListen, AllowedHosts: p.Notifier.AllowedHosts, Problems: p.Notifier.Validate()}
}

func (p *program) New(with service.Parts) (service.Service, error) {
	return notifier.New(notifier.Options{
		Config: p.Notifier, Bus: with.Bus, Log: with.Log, Metrics: with.Metrics, Trace: with.Trace,
	})
}
