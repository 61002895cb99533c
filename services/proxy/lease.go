package proxy

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/presence"
)

const leaseTimeout = 5 * time.Second

// lease tells the bus which workloads this proxy serves, for as long as it does.
type lease struct {
	bus      *bus.Bus
	instance string
	table    *atomic.Pointer[table]
	log      *slog.Logger
}

// keep renews the lease until ctx ends; due asks for it before its time.
func (l *lease) keep(ctx context.Context, due signal) {
	bucket, key := l.bus.Bucket(bus.BucketLeases), presence.Key(l.instance)
	tick := time.NewTicker(presence.Renew)
	defer tick.Stop()
	failing := false
	for {
		err := l.renew(ctx, bucket, key)
		if err != nil && !failing && ctx.Err() == nil {
			l.log.Warn("cannot renew the lease; the workloads look unserved until it works again", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = bucket.Delete(end, key) // else it runs out
			cancel()
			return
		case <-tick.C:
		case <-due:
		}
	}
}

func (l *lease) renew(ctx context.Context, bucket *bus.Bucket, key string) error {
	text, err := json.Marshal(l.content())
	if err != nil {
		return err
	}
	own, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	_, err = bucket.Put(own, key, text)
	return err
}

func (l *lease) content() presence.Lease {
	c := presence.Lease{Instance: l.instance, Workloads: map[string]presence.Served{}}
	for _, w := range l.table.Load().workloads {
		ok, since, why := w.reach.get()
		if since.IsZero() {
			since = w.started
		}
		c.Workloads[w.cfg.Name] = presence.Served{Reachable: &ok, Since: since.UTC(), Error: why}
	}
	return c
}
