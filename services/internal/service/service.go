// Package service makes a program of one service: the command line, the
// configuration file, and the parts around the service in the order in which
// they start and stop. A program links the one service that it is given.
package service

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/internal/trace"
)

// File is what the programs read of the configuration file beside the section of
// their service.
type File struct {
	NATS    bus.Remote   `yaml:"nats"`
	DataDir string       `yaml:"data_dir"`
	Tracing trace.Config `yaml:"tracing"`
}

// Common returns f to who has it embedded in a [Program].
func (f *File) Common() *File { return f }

// Section is what the section of a service says to the program around it.
type Section struct {
	AdminListen  string
	AllowedHosts []string
	Problems     []config.Problem
}

// Parts are what a service is built on.
type Parts struct {
	Bus     *bus.Bus
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Trace   *trace.Tracer
}

// Service is what a program runs.
type Service interface {
	Run(ctx context.Context) error
	Ready() error
}

// Program is the configuration file of a program, with [File] embedded, and the
// service that it makes of it. With a method Reload(next) of its own type it
// takes over changes of the file.
type Program interface {
	Common() *File
	Section() Section
	New(with Parts) (Service, error)
}

// load reads the file of the program called name into p.
func load(name, path string, p Program) (*config.Document, error) {
	common := p.Common()
	common.DataDir = "./data"
	doc, err := config.Load(path, p)
	if err != nil {
		return nil, err
	}
	return doc, doc.CheckAll(map[string][]config.Problem{
		"environment": outbound.CheckEnvironment(),
		"nats":        common.NATS.Validate(),
		"tracing":     common.Tracing.Validate(),
		name:          p.Section().Problems,
	})
}

// run blocks until ctx ends or a part of the program fails.
func (c command[P]) run(ctx context.Context, path string, log *slog.Logger) error {
	program := c.blank()
	doc, err := load(c.name, path, program)
	if err != nil {
		return err
	}
	common, section, registry := program.Common(), program.Section(), process.Registry(c.name)
	b, err := bus.Connect(ctx, common.NATS.Options(c.name, log, registry))
	if err != nil {
		return err
	}
	defer b.Close()
	tracer, err := trace.New(common.Tracing, trace.Options{
		Service: "authwatch-" + c.name, Version: process.Version(), Log: log, Metrics: registry,
	})
	if err != nil {
		return doc.Locate("tracing", err)
	}
	s, err := program.New(Parts{Bus: b, Log: log, Metrics: registry, Trace: tracer})
	if err != nil {
		return doc.Locate(c.name, err)
	}

	service := process.Component{Name: c.name, Ready: s.Ready, Run: func(ctx context.Context) error {
		return doc.Locate(c.name, s.Run(ctx))
	}}
	admin := process.Admin{
		Path: c.name + ".admin_listen", Address: section.AdminListen, Hosts: section.AllowedHosts,
		Registry: registry, Log: log, Components: []process.Component{{Name: "bus", Ready: b.Ready}, service},
	}
	components := []process.Component{admin.Component(), {Name: "tracing", Run: tracer.Run}, service}
	if running, ok := any(program).(interface{ Reload(next P) error }); ok {
		reload := process.Watch{File: path, Log: log, Metrics: registry, Changed: func(context.Context) error {
			next := c.blank()
			doc, err := load(c.name, path, next)
			if err != nil {
				return err
			}
			return doc.Locate(c.name, running.Reload(next))
		}}
		components = append(components, reload.Component())
	}
	return doc.Locate("", process.Group{Log: log}.Run(ctx, components...))
}
