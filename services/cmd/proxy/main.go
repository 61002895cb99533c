// Command proxy attaches the credentials of workloads and reports what upstreams make of them.
package main

import (
	"context"
	"log/slog"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/proxy"
)

func main() { process.Service{Name: "proxy", Run: run, Admin: adminAddress}.Main() }

func run(ctx context.Context, path string, log *slog.Logger) error {
	cfg, doc, err := load(path)
	if err != nil {
		return err
	}
	registry := process.Registry("proxy")
	b, err := bus.Connect(ctx, cfg.NATS.Options("proxy", log, registry))
	if err != nil {
		return err
	}
	defer b.Close()
	tracer, err := trace.New(cfg.Tracing, trace.Options{
		Service: "authwatch-proxy", Version: process.Version(), Log: log, Metrics: registry,
	})
	if err != nil {
		return doc.Locate("tracing", err)
	}
	p, err := proxy.New(proxy.Options{
		Config: cfg.Proxy, DataDir: cfg.DataDir, Bus: b, Log: log, Metrics: registry, Trace: tracer,
	})
	if err != nil {
		return doc.Locate("proxy", err)
	}

	broker := process.Component{Name: "bus", Ready: b.Ready}
	spans := process.Component{Name: "tracing", Run: tracer.Run}
	service := process.Component{Name: "proxy", Ready: p.Ready, Run: func(ctx context.Context) error {
		return doc.Locate("proxy", p.Run(ctx))
	}}
	admin := process.Admin{
		Path: "proxy.admin_listen", Address: cfg.Proxy.AdminListen, Hosts: cfg.Proxy.AllowedHosts,
		Registry: registry, Log: log, Components: []process.Component{broker, service},
	}
	reload := process.Watch{File: path, Log: log, Metrics: registry, Changed: func(context.Context) error {
		cfg, doc, err := load(path)
		if err != nil {
			return err
		}
		return doc.Locate("proxy", p.Reload(cfg.Proxy))
	}}
	return doc.Locate("", process.Group{Log: log}.Run(ctx, admin.Component(), spans, service, reload.Component()))
}
