// Command notifier tells people about workloads that lost their credential.
package main

import (
	"context"
	"log/slog"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier"
)

func main() { process.Service{Name: "notifier", Run: run, Admin: adminAddress}.Main() }

func run(ctx context.Context, path string, log *slog.Logger) error {
	cfg, doc, err := load(path)
	if err != nil {
		return err
	}
	registry := process.Registry("notifier")
	b, err := bus.Connect(ctx, cfg.NATS.Options("notifier", log, registry))
	if err != nil {
		return err
	}
	defer b.Close()
	tracer, err := trace.New(cfg.Tracing, trace.Options{
		Service: "authwatch-notifier", Version: process.Version(), Log: log, Metrics: registry,
	})
	if err != nil {
		return doc.Locate("tracing", err)
	}
	s, err := notifier.New(notifier.Options{
		Config: cfg.Notifier, Bus: b, Log: log, Metrics: registry, Trace: tracer,
	})
	if err != nil {
		return doc.Locate("notifier", err)
	}

	broker := process.Component{Name: "bus", Ready: b.Ready}
	spans := process.Component{Name: "tracing", Run: tracer.Run}
	service := process.Component{Name: "notifier", Ready: s.Ready, Run: func(ctx context.Context) error {
		return doc.Locate("notifier", s.Run(ctx))
	}}
	admin := process.Admin{
		Path: "notifier.admin_listen", Address: cfg.Notifier.AdminListen, Hosts: cfg.Notifier.AllowedHosts,
		Registry: registry, Log: log, Components: []process.Component{broker, service},
	}
	return doc.Locate("", process.Group{Log: log}.Run(ctx, admin.Component(), spans, service))
}
