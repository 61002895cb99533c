// Command status records the status of every workload and serves it.
package main

import (
	"context"
	"log/slog"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/status"
)

func main() { process.Service{Name: "status", Run: run, Admin: adminAddress}.Main() }

func run(ctx context.Context, path string, log *slog.Logger) error {
	cfg, doc, err := load(path)
	if err != nil {
		return err
	}
	registry := process.Registry("status")
	b, err := bus.Connect(ctx, cfg.NATS.Options("status", log, registry))
	if err != nil {
		return err
	}
	defer b.Close()
	tracer, err := trace.New(cfg.Tracing, trace.Options{
		Service: "authwatch-status", Version: process.Version(), Log: log, Metrics: registry,
	})
	if err != nil {
		return doc.Locate("tracing", err)
	}
	s, err := status.New(status.Options{
		Config: cfg.Status, DataDir: cfg.DataDir, Bus: b, Log: log, Metrics: registry, Trace: tracer,
	})
	if err != nil {
		return doc.Locate("status", err)
	}

	broker := process.Component{Name: "bus", Ready: b.Ready}
	spans := process.Component{Name: "tracing", Run: tracer.Run}
	service := process.Component{Name: "status", Ready: s.Ready, Run: func(ctx context.Context) error {
		return doc.Locate("status", s.Run(ctx))
	}}
	admin := process.Admin{
		Path: "status.admin_listen", Address: cfg.Status.AdminListen, Hosts: cfg.Status.AllowedHosts,
		Registry: registry, Log: log, Components: []process.Component{broker, service},
	}
	return doc.Locate("", process.Group{Log: log}.Run(ctx, admin.Component(), spans, service))
}
