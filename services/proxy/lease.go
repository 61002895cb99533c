package proxy

import (
	"context"
	"encoding/json"
	"time"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/presence"
)

const leaseTimeout = 5 * time.Second

func (p *Proxy) keepLease(ctx context.Context) {
	bucket, key := p.o.Bus.Bucket(bus.BucketLeases), presence.Key(p.identity.instance)
	tick := time.NewTicker(presence.Renew)
	defer tick.Stop()
	failing := false
	for {
		err := p.renew(ctx, bucket, key)
		if err != nil && !failing && ctx.Err() == nil {
			p.o.Log.Warn("cannot renew the lease; the workloads look unserved until it works again", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = bucket.Delete(end, key) // else it runs out
			cancel()
			return
		case <-tick.C:
		case <-p.leaseDue:
		}
	}
}

func (p *Proxy) renew(ctx context.Context, bucket *bus.Bucket, key string) error {
	text, err := json.Marshal(p.lease())
	if err != nil {
		return err
	}
	own, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	_, err = bucket.Put(own, key, text)
	return err
}

func (p *Proxy) lease() presence.Lease {
	l := presence.Lease{Instance: p.identity.instance, Workloads: map[string]presence.Served{}}
	for _, w := range p.table.Load().workloads {
		ok, since, why := w.reach.get()
		if since.IsZero() {
			since = w.started
		}
		l.Workloads[w.cfg.Name] = presence.Served{Reachable: &ok, Since: since.UTC(), Error: why}
	}
	return l
}

// leaseNow has the lease renewed before its time: something changed.
func (p *Proxy) leaseNow() {
	select {
	case p.leaseDue <- struct{}{}:
	default:
	}
}
