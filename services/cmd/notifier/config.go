package main

import (
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier"
)

// file is the configuration file; the sections of the other services may stand
// in it and are theirs.
type file struct {
	NATS     bus.Remote      `yaml:"nats"`
	DataDir  string          `yaml:"data_dir"`
	Tracing  trace.Config    `yaml:"tracing"`
	Proxy    config.Ignored  `yaml:"proxy"`
	Status   config.Ignored  `yaml:"status"`
	Notifier notifier.Config `yaml:"notifier"`
}

func load(path string) (file, *config.Document, error) {
	f := file{DataDir: "./data", Notifier: notifier.Config{AdminListen: "127.0.0.1:9082"}}
	doc, err := config.Load(path, &f)
	if err != nil {
		return f, nil, err
	}
	return f, doc, doc.CheckAll(map[string][]config.Problem{
		"nats":     f.NATS.Validate(),
		"tracing":  f.Tracing.Validate(),
		"notifier": f.Notifier.Validate(),
	})
}

func adminAddress(path string) (string, error) {
	f, _, err := load(path)
	return f.Notifier.AdminListen, err
}
