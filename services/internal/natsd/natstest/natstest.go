// Package natstest runs a real nats-server in a test.
package natstest

import (
	"testing"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
)

// Server is a nats-server on a folder of its own that can be stopped and
// started again on the same folder and port.
type Server struct{ *natsd.Server }

// An Option changes the server.
type Option func(*natsd.Options)

// Listen opens a port on loopback; it stays the same over Restart.
func Listen() Option { panic("not yet") }

// Run starts a server that ends with the test.
func Run(t testing.TB, opts ...Option) *Server { panic("not yet") }

// Stop stops the server; its clients lose their connections.
func (s *Server) Stop() { panic("not yet") }

// Restart stops the server if it runs and starts it on the same folder and port.
func (s *Server) Restart() { panic("not yet") }

// Bus returns a bus on a server of its own, with the topology.
func Bus(t testing.TB) *bus.Bus { panic("not yet") }

// Connect returns a bus on s, without provisioning. It ends with the test.
func (s *Server) Connect(t testing.TB, o ...func(*bus.Options)) *bus.Bus { panic("not yet") }
