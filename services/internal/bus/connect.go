package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Options say how to reach the bus.
type Options struct {
	URL  string // nats://host:4222, several with commas; not with InProcess
	Name string // of this process: the client's name and its canary's key

	User            string
	Password        config.Secret
	PasswordFile    string // read again at every connect
	CredentialsFile string // JWT and seed, read again at every connect
	TLSCA           string // file; verifies the server
	TLSCert, TLSKey string // files; the client's own

	InProcess nats.InProcessConnProvider // an embedded server
	Log       *slog.Logger
	Metrics   prometheus.Registerer // nil: none
}

// Connect tries each server for two seconds and then goes on in the background:
// Ready says whether the broker answers, the error is about the options alone. The
// bus outlives ctx, because services publish while they drain: Close ends it.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = "authwatch"
	}
	if o.URL == "" && o.InProcess == nil {
		return nil, errors.New("nats.url is empty")
	}
	b := &Bus{log: o.Log, metrics: newMetrics(o.Metrics, o.Name), inspection: newInspection()}
	b.canary.name = keySafe(o.Name)
	b.canary.kick = make(chan struct{}, 1)
	b.NeedsStreams(bucketPrefix + BucketLeases) // of the canary
	options, err := b.options(o)
	if err != nil {
		return nil, err
	}
	if b.nc, err = nats.Connect(o.URL, options...); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.done.Go(func() { b.beat(ctx) })
	b.done.Go(func() { b.inspect(ctx) })
	return b, nil
}

// dialTimeout is how long Connect waits for each server at first.
const dialTimeout = 2 * time.Second

// options are those of a connection that never gives up and never buffers: with
// the client's reconnect buffer a publish that was reported as failed arrives
// later as a ghost.
func (b *Bus) options(o Options) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(o.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(20 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(dialTimeout),
		nats.CustomInboxPrefix(inboxPrefix(o.User)),
		nats.ConnectHandler(func(nc *nats.Conn) { b.connected(nc) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { b.connected(nc) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			b.log.Debug("bus is still unreachable", "err", withoutSecrets(err))
			b.canary.failed(withoutSecrets(err))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) { b.asyncError(s, err) }),
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	auth, err := authentication(o)
	if err != nil {
		return nil, err
	}
	options = append(options, auth...)
	if o.TLSCA != "" {
		options = append(options, nats.RootCAs(o.TLSCA))
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return nil, errors.New("nats: a client certificate needs both its certificate and its key")
	}
	if o.TLSCert != "" {
		options = append(options, nats.ClientCert(o.TLSCert, o.TLSKey))
	}
	return options, nil
}

func authentication(o Options) ([]nats.Option, error) {
	switch {
	case o.CredentialsFile != "":
		if _, err := os.Stat(o.CredentialsFile); err != nil {
			return nil, fmt.Errorf("nats: %w", err)
		}
		return []nats.Option{nats.UserCredentials(o.CredentialsFile)}, nil
	case o.User == "":
		return nil, nil
	}
	if _, err := config.ReadSecret(o.Password, o.PasswordFile); err != nil {
		return nil, fmt.Errorf("nats: password of %s: %w", o.User, err)
	}
	// Read at every connect: a password that was changed is used without a restart.
	return []nats.Option{nats.UserInfoHandler(func() (string, string) {
		password, err := config.ReadSecret(o.Password, o.PasswordFile)
		if err != nil {
			o.Log.Warn("password cannot be read", "user", o.User, "err", err)
		}
		return o.User, password.Reveal()
	})}, nil
}

// inboxPrefix is where a user receives replies. With a prefix of its own, no user
// can read another's.
func inboxPrefix(user string) string {
	if user == "" {
		return "_INBOX"
	}
	return "_INBOX_" + keySafe(user)
}

func (b *Bus) connected(nc *nats.Conn) {
	b.log.Info("bus is connected", "server", nc.ConnectedServerName())
	b.metrics.connected.Set(1)
	b.requests.connected()
	b.streams.forget()
	b.inspection.connected()
	b.canary.soon()
}

func (b *Bus) disconnected(err error) {
	b.metrics.connected.Set(0)
	b.streams.forget()
	b.requests.disconnected()
	if err == nil { // closed by ourselves
		return
	}
	b.log.Warn("bus is disconnected", "err", withoutSecrets(err))
	b.canary.failed(withoutSecrets(err))
}

func (b *Bus) asyncError(s *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		b.log.Error("bus denied an operation", "err", err)
		b.metrics.denied.Inc()
		b.requests.denied(err)
		return
	}
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	b.log.Warn("bus reported an error", "subject", subject, "err", withoutSecrets(err))
	b.canary.failed(withoutSecrets(err))
}

var unsafeInKey = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// keySafe makes one token of a subject or key out of any name.
func keySafe(s string) string { return unsafeInKey.ReplaceAllString(s, "_") }
