// Package natsd embeds a nats-server with JetStream for `authwatch run`.
package natsd

import (
	"log/slog"
	"net"

	"github.com/authwatch/authwatch/services/internal/config"
)

// User may log in from the network. Password is plain text or a bcrypt hash.
type User struct {
	Name      string
	Password  config.Secret
	Publish   []string // subjects; both empty: everything
	Subscribe []string
}

// Options say where the server keeps its data and whether it listens.
type Options struct {
	Dir    string
	Listen string // host:port; empty: in-process connections only
	Users  []User // of network clients; none: no login, on loopback only
	Log    *slog.Logger
}

// Server is a running nats-server.
type Server struct{}

// Start starts a server and returns when it is ready.
func Start(o Options) (*Server, error) { panic("not yet") }

// InProcessConn implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) { panic("not yet") }

// ClientURL is where network clients connect; empty without Listen.
func (s *Server) ClientURL() string { panic("not yet") }

// Ready reports why the server is not ready.
func (s *Server) Ready() error { panic("not yet") }

// Shutdown stops the server and waits until everything is on disk.
func (s *Server) Shutdown() { panic("not yet") }
