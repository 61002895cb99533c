// Package bus is the only NATS client code: publishing with the stream's
// acknowledgement, compare-and-set, reading, durable consumption, buckets, and
// the topology that all of it needs.
//
// Every call makes one attempt and says how it ended: [ErrUnavailable] (try
// again), [ErrRefused] (do not), [ErrConflict], [ErrNotFound]. Nothing is
// buffered: what failed here is never sent later.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

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

// Bus is a connection that is kept up for ever. Its methods may be called at any
// time from any goroutine.
type Bus struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	log      *slog.Logger
	metrics  *metrics
	requests openRequests
	streams  streamTimes
	canary   canary

	// replicas is what Provision was called with, plus one; 0: never called. A
	// bus that has provisioned also heals.
	replicas atomic.Int32

	stop func() // ends what the bus does by itself
	done sync.WaitGroup
}

// Connect tries to connect for two seconds a server and goes on in the background
// for ever: whether the broker answers is what Ready says. The error is about the
// options alone. The bus outlives ctx, so that what drains after it can publish:
// Close ends it.
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
	b := &Bus{log: o.Log, metrics: newMetrics(o.Metrics, o.Name)}
	b.canary.name = keySafe(o.Name)
	b.canary.kick = make(chan struct{}, 1)
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
	return b, nil
}

// Close ends the connection at once. Whatever is still under way fails with
// ErrUnavailable.
func (b *Bus) Close() {
	b.stop()
	b.nc.Close()
	b.done.Wait()
}
