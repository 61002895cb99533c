package main

import (
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy"
)

// file is the configuration file; the sections of the other services may stand
// in it and are theirs.
type file struct {
	NATS     bus.Remote     `yaml:"nats"`
	DataDir  string         `yaml:"data_dir"`
	Tracing  trace.Config   `yaml:"tracing"`
	Proxy    proxy.Config   `yaml:"proxy"`
	Status   config.Ignored `yaml:"status"`
	Notifier config.Ignored `yaml:"notifier"`
}

func load(path string) (file, *config.Document, error) {
	f := file{DataDir: "./data", Proxy: proxy.Config{AdminListen: "127.0.0.1:9080"}}
	doc, err := config.Load(path, &f)
	if err != nil {
		return f, nil, err
	}
	return f, doc, doc.CheckAll(map[string][]config.Problem{
		"nats":    f.NATS.Validate(),
		"tracing": f.Tracing.Validate(),
		"proxy":   f.Proxy.Validate(),
	})
}

func adminAddress(path string) (string, error) {
	f, _, err := load(path)
	return f.Proxy.AdminListen, err
}
