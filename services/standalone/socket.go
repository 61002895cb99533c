package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/process"
)

// socketPath is where the commands of this machine reach the embedded broker,
// which has no port: a socket that only the user of the process can open.
func (c *Config) socketPath() string { return filepath.Join(c.DataDir, "bus.sock") }

// ownUser is how this process and its commands log in to the embedded broker,
// where users log in from the network too. The password is made anew at each
// start and stands next to the socket, for those who can open that.
const ownUser = "authwatch"

func (c *Config) passwordPath() string { return filepath.Join(c.DataDir, "bus.password") }

// socket passes connections on to the broker.
type socket struct {
	path   string
	broker inProcess
	log    *slog.Logger
}

type inProcess interface {
	InProcessConn() (net.Conn, error)
}

func (s socket) component() process.Component { return process.Component{Name: "socket", Run: s.run} }

// run serves the socket until ctx ends. Without one the services work, only the
// commands that need the bus do not.
func (s socket) run(ctx context.Context) error {
	l, err := s.listen(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "no socket for commands", "path", s.path, "err", err)
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go s.pass(ctx, conn)
	}
}

func (s socket) listen(ctx context.Context) (net.Listener, error) {
	// A leftover of a process that was killed: the data folder is locked, so
	// nobody serves it.
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", s.path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (s socket) pass(ctx context.Context, client net.Conn) {
	defer client.Close()
	broker, err := s.broker.InProcessConn()
	if err != nil {
		s.log.WarnContext(ctx, "connection of a command refused", "err", err)
		return
	}
	defer broker.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(broker, client)
		_ = broker.Close()
	}()
	_, _ = io.Copy(client, broker)
}

// dialer opens connections to the socket of a running process.
type dialer string

func (d dialer) InProcessConn() (net.Conn, error) { return net.Dial("unix", string(d)) } //nolint:noctx // the interface has none

// Connect returns the bus of a running authwatch: the server that nats.url
// names, or the embedded one over its socket.
func (c *Config) Connect(ctx context.Context, name string, log *slog.Logger) (*bus.Bus, error) {
	o := c.NATS.Options(name, log, nil)
	if c.Embedded() {
		conn, err := dialer(c.socketPath()).InProcessConn()
		if err != nil {
			return nil, fmt.Errorf("authwatch run is not running with data_dir %s, or another user runs it (%w)", c.DataDir, err)
		}
		_ = conn.Close()
		o.InProcess = dialer(c.socketPath())
		o.User, o.PasswordFile = ownUser, c.passwordPath()
	}
	return bus.Connect(ctx, o)
}
