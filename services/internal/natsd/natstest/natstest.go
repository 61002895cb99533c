// Package natstest runs a real nats-server in a test.
package natstest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
)

// Server is a nats-server on a folder of its own that can be stopped and
// started again on the same folder and port. Nothing is synced to the disk.
type Server struct {
	t       testing.TB
	options natsd.Options

	mu sync.Mutex
	*natsd.Server
}

// An Option changes the server.
type Option func(*natsd.Options)

const anyPort = "127.0.0.1:0"

// Listen opens a port on loopback; it stays the same over Restart.
func Listen() Option { return func(o *natsd.Options) { o.Listen = anyPort } }

// Users are who may log in, on a port of loopback.
func Users(users ...natsd.User) Option {
	return func(o *natsd.Options) { o.Listen, o.Users = anyPort, users }
}

// Sync writes to the disk as production does.
func Sync() Option { return func(o *natsd.Options) { o.NoSync = false } }

// Run starts a server that ends with the test.
func Run(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := &Server{t: t, options: natsd.Options{Dir: t.TempDir(), NoSync: true}}
	for _, o := range opts {
		o(&s.options)
	}
	if s.options.Listen == anyPort {
		s.options.Listen = FreeAddress(t)
	}
	s.start()
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start() {
	s.t.Helper()
	ns, err := natsd.Start(s.options)
	require.NoError(s.t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Server = ns
}

// Stop stops the server; its clients lose their connections.
func (s *Server) Stop() {
	s.mu.Lock()
	ns := s.Server
	s.Server = nil
	s.mu.Unlock()
	if ns != nil {
		ns.Shutdown()
	}
}

// Restart stops the server if it runs and starts it on the same folder and port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// Dir is the folder with the server's data.
func (s *Server) Dir() string { return s.options.Dir }

// InProcessConn implements nats.InProcessConnProvider over restarts.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Server == nil {
		return nil, net.ErrClosed
	}
	return s.Server.InProcessConn()
}

// Bus returns a bus on a server of its own, with the topology.
func Bus(t testing.TB) *bus.Bus {
	t.Helper()
	return Run(t).Bus(t)
}

// Bus returns a bus on s, with the topology. It ends with the test.
func (s *Server) Bus(t testing.TB, opts ...func(*bus.Options)) *bus.Bus {
	t.Helper()
	b := s.Connect(t, opts...)
	Provision(t, b, 1)
	return b
}

// Connect returns a bus on s that provisions nothing. It ends with the test.
func (s *Server) Connect(t testing.TB, opts ...func(*bus.Options)) *bus.Bus {
	t.Helper()
	o := bus.Options{Name: "test", InProcess: s}
	for _, opt := range opts {
		opt(&o)
	}
	b, err := bus.Connect(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// Provision provisions as soon as the bus is connected and its servers agree.
func Provision(t testing.TB, b *bus.Bus, replicas int) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		err := b.Provision(t.Context(), replicas)
		if err == nil {
			return
		}
		select {
		case <-late:
			require.NoError(t, err, "still, after a minute")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
