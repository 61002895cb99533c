// Package standalone composes the three services and an embedded broker in one
// process: `authwatch run`.
package standalone

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/internal/trace"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/status"
)

// Options of the process.
type Options struct {
	Config Config
	File   string // that Config was read from, to follow its changes; empty: none
	Log    *slog.Logger
}

// App is the whole of authwatch in one process.
type App struct {
	cfg      Config
	file     string
	log      *slog.Logger
	registry *prometheus.Registry
}

// New starts nothing.
func New(o Options) *App {
	return &App{cfg: o.Config, file: o.File, log: o.Log, registry: process.Registry("authwatch")}
}

// Run blocks until ctx ends, then stops the proxy, the notifier, the status
// service and the broker, in this order.
func (a *App) Run(ctx context.Context) error {
	options := a.cfg.NATS.Options("authwatch", a.log.With("component", "bus"), a.registry)
	var door process.Component
	if a.cfg.Embedded() {
		server, err := a.startServer(ctx)
		if err != nil {
			return err
		}
		defer server.Shutdown()
		door = socket{path: a.cfg.socketPath(), broker: server, log: a.log}.component()
		options.InProcess = server
		options.User, options.PasswordFile = ownUser, a.cfg.passwordPath()
	}
	b, err := bus.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := a.provision(ctx, b); err != nil {
		return err
	}

	tracer, err := trace.New(a.cfg.Tracing, trace.Options{
		Service: "authwatch", Version: process.Version(), Log: a.log.With("component", "tracing"), Metrics: a.registry,
	})
	if err != nil {
		return a.cfg.locate("tracing", err)
	}

	s, err := status.New(status.Options{Config: a.cfg.Status, Bus: b, Log: a.log.With("component", "status"), Metrics: a.registry, Trace: tracer})
	if err != nil {
		return err
	}
	n, err := notifier.New(notifier.Options{Config: a.cfg.Notifier, Bus: b, Log: a.log.With("component", "notifier"), Metrics: a.registry, Trace: tracer})
	if err != nil {
		return err
	}
	p, err := proxy.New(proxy.Options{Config: a.cfg.Proxy, DataDir: a.cfg.DataDir, Bus: b, Log: a.log.With("component", "proxy"), Metrics: a.registry, Trace: tracer})
	if err != nil {
		return err
	}

	broker := process.Component{Name: "bus", Ready: b.Ready}
	recorder := a.part("status", s)
	teller := a.part("notifier", n)
	front := a.part("proxy", p)
	components := []process.Component{
		a.admin("status", a.cfg.Status.AdminListen, a.cfg.Status.AllowedHosts, broker, recorder),
		a.admin("notifier", a.cfg.Notifier.AdminListen, a.cfg.Notifier.AllowedHosts, broker, teller),
		a.admin("proxy", a.cfg.Proxy.AdminListen, a.cfg.Proxy.AllowedHosts, broker, front),
		{Name: "tracing", Run: tracer.Run},
		recorder, teller, front,
	}
	if a.cfg.Embedded() {
		components = append(components, door)
	}
	if a.file != "" {
		watch := process.Watch{
			File: a.file, Log: a.log, Metrics: a.registry,
			Changed: func(ctx context.Context) error { return a.reload(ctx, p) },
		}
		components = append(components, watch.Component())
	}
	return a.cfg.locate("", process.Group{Log: a.log}.Run(ctx, components...))
}

// service is what the three have in common.
type service interface {
	Run(ctx context.Context) error
	Ready() error
}

func (a *App) part(section string, s service) process.Component {
	return process.Component{Name: section, Ready: s.Ready, Run: func(ctx context.Context) error {
		return a.cfg.locate(section, s.Run(ctx))
	}}
}

func (a *App) admin(section, address string, hosts []string, parts ...process.Component) process.Component {
	return process.Admin{
		Path: section + ".admin_listen", Address: address, Hosts: hosts,
		Registry: a.registry, Log: a.log.With("component", section), Components: parts,
	}.Component()
}

// locate names file and line where err is about a value of the file.
func (c *Config) locate(section string, err error) error {
	if c.doc == nil {
		return err
	}
	return c.doc.Locate(section, err)
}
