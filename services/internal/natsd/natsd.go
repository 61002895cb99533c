// Package natsd embeds a nats-server with JetStream, for `authwatch run`: no
// broker to install, and no port unless asked for.
package natsd

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
)

const (
	serverName = "authwatch"
	maxPayload = 256 << 10
	// maxStore bounds what all streams together may take of the disk. Without it
	// the server takes three quarters of what is free when it starts.
	maxStore     = 8 << 30
	startTimeout = 30 * time.Second
	// recoverTimeout bounds reading the files, so that a start ends within half a minute.
	recoverTimeout = 25 * time.Second
)

// User may log in from the network.
type User struct {
	Name     string
	Password config.Secret // plain, or a bcrypt hash ($2a$…)
	// Subjects; both empty: everything.
	Publish, Subscribe []string
}

// Options say where the server keeps its data and whether it listens.
type Options struct {
	Dir    string
	Listen string // host:port; empty: in-process connections only
	Users  []User // of network clients; none: no login, on loopback only
	Log    *slog.Logger

	// NoSync leaves it to the operating system when to write to the disk: a power
	// cut loses what was acknowledged, and more. For tests.
	NoSync bool
	// RecoverWithin bounds reading the files at the start; 0: 25 s.
	RecoverWithin time.Duration
	// Cluster makes the server one of several. For tests.
	Cluster *Cluster
}

// Cluster names a server's place among its peers.
type Cluster struct {
	Server string // the server's own name
	Listen string // for the peers
	Routes []string
}

// Server is a running nats-server.
type Server struct {
	server *server.Server
	lock   *os.File
	log    *slog.Logger
}

// Start starts a server and returns when it is ready. The folder is its own: a
// second process gets an error.
func Start(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dir == "" {
		return nil, errors.New("nats: no folder for the data")
	}
	options, err := o.server()
	if err != nil {
		return nil, err
	}
	lock, err := datadir.Lock(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	ns, err := server.NewServer(options)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	s := &Server{server: ns, lock: lock, log: o.Log}
	fatal := make(chan error, 1)
	ns.SetLoggerV2(logger{o.Log, fatal}, false, false, false)
	if err := s.recover(cmp.Or(o.RecoverWithin, recoverTimeout), options.StoreDir); err != nil {
		return nil, err // it cannot be stopped: the end of the process does that
	}
	if err := s.await(fatal, o.Cluster != nil); err != nil {
		s.Shutdown()
		return nil, err
	}
	o.Log.Info("embedded nats-server is ready", "dir", o.Dir, "listen", o.Listen, "version", server.VERSION)
	return s, nil
}

func (o Options) server() (*server.Options, error) {
	options := &server.Options{
		ServerName:        serverName,
		DontListen:        o.Listen == "",
		NoSigs:            true,
		JetStream:         true,
		StoreDir:          filepath.Join(o.Dir, "jetstream"),
		JetStreamMaxStore: maxStore,
		SyncAlways:        !o.NoSync,
		MaxPayload:        maxPayload,
		NoSystemAccount:   o.Cluster == nil,
	}
	if err := o.listen(options); err != nil {
		return nil, err
	}
	if o.Cluster != nil {
		if err := o.Cluster.apply(options); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// recover starts the server, which reads its files first. Damaged ones may keep it
// for ever, without a word.
func (s *Server) recover(within time.Duration, dir string) error {
	started := make(chan struct{})
	go func() {
		s.server.Start()
		close(started)
	}()
	select {
	case <-started:
		return nil
	case <-time.After(within):
		return fmt.Errorf("nats: the embedded server has not read its files in %s after %s: one is damaged, or the disk is very slow; "+
			"restore the folder from a copy, or move it away and start with an empty one", dir, within)
	}
}

// await waits until the server takes connections and JetStream answers. A server
// of a cluster is ready later, when its peers are.
func (s *Server) await(fatal <-chan error, clustered bool) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		select {
		case err := <-fatal:
			return fmt.Errorf("nats: embedded server: %w", err)
		default:
		}
		if s.server.ReadyForConnections(100 * time.Millisecond) {
			if clustered {
				return nil
			}
			return s.Ready()
		}
	}
	return errors.New("nats: the embedded server does not start; its log says why")
}

// Ready reports why the server is not ready.
func (s *Server) Ready() error {
	h := s.server.Healthz(&server.HealthzOptions{})
	if h.StatusCode != http.StatusOK {
		return fmt.Errorf("nats: embedded server: %s %s", h.Status, h.Error)
	}
	return nil
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) { return s.server.InProcessConn() }

// ClientURL is where network clients connect; empty without Listen.
func (s *Server) ClientURL() string {
	if s.server.Addr() == nil {
		return ""
	}
	return s.server.ClientURL()
}

// Shutdown stops the server, waits until its files are closed and gives the
// folder free.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	if err := s.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		s.log.Warn("lock of the data folder is not released", "err", err)
	}
}
