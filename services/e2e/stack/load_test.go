//go:build stack

package stack

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
)

// Of the publisher's workloads those named dead lose their token once and are
// rejected again and again; those named good get one new token after the other.
const (
	deadWorkloads = 4
	goodWorkloads = 4
	loadEvery     = 25 * time.Millisecond
)

// load is a proxy of many workloads that tells the bus what it sees, and keeps
// what was acknowledged.
type load struct {
	bus *bus.Bus

	mu      sync.Mutex
	acked   []string      // ids
	failed  int           // attempts
	longest time.Duration // that one waited for its acknowledgement
}

// startLoad publishes until stop is called, which returns when every event is
// acknowledged.
func (c *cluster) startLoad() (l *load, stop func()) {
	c.t.Helper()
	b, err := bus.Connect(c.t.Context(), bus.Options{Name: "proxy", URL: c.urls(), User: "proxy", Password: config.Secret(c.secret("proxy"))})
	require.NoError(c.t, err)
	l = &load{bus: b}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var working sync.WaitGroup
	for i := range deadWorkloads {
		working.Go(func() { l.work(ctx, fmt.Sprintf("dead%d", i), dead) })
	}
	for i := range goodWorkloads {
		working.Go(func() { l.work(ctx, fmt.Sprintf("good%d", i), good) })
	}
	return l, sync.OnceFunc(func() {
		cancel()
		working.Wait()
		b.Close()
	})
}

// seen is the nth observation of a workload, and the number of its token.
func dead(n int) (typ string, token int) {
	switch n {
	case 0:
		return events.TypeLoaded, 0
	case 1:
		return events.TypeAuthorized, 0
	}
	return events.TypeUnauthorized, 0
}

func good(n int) (typ string, token int) {
	return []string{events.TypeLoaded, events.TypeAuthorized}[n%2], n / 2
}

// work ends a dead workload's history with a recovery.
func (l *load) work(ctx context.Context, workload string, seen func(n int) (string, int)) {
	for n := 0; ctx.Err() == nil; n++ {
		typ, token := seen(n)
		l.say(ctx, workload, typ, token, n)
	}
	l.say(ctx, workload, events.TypeLoaded, 1<<20, 0)
	l.say(ctx, workload, events.TypeAuthorized, 1<<20, 0)
}

// say publishes one observation as the proxy does: with the same id until it is
// acknowledged, whatever happens.
func (l *load) say(ctx context.Context, workload, typ string, token, n int) {
	e := seenBy(workload, typ, token, n)
	for began := time.Now(); ; {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err := l.bus.Publish(attempt, e)
		cancel()
		l.mu.Lock()
		if err == nil {
			l.acked, l.longest = append(l.acked, e.ID()), max(l.longest, time.Since(began))
		} else {
			l.failed++
		}
		l.mu.Unlock()
		pause := loadEvery * (deadWorkloads + goodWorkloads)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if err != nil {
				<-time.After(pause)
			}
		}
		if err == nil {
			return
		}
	}
}

func seenBy(workload, typ string, token, n int) event.Event {
	now := time.Now()
	o := events.Observation{
		Workload: workload, Upstream: "http://nowhere.example/mcp",
		Credential: &events.Credential{Fingerprint: fmt.Sprintf("%012x", token), Source: "file /run/tokens/" + workload, LoadedAt: &now},
	}
	if typ == events.TypeUnauthorized {
		o.Credential.LoadedAt = nil
		o.Rejections, o.FirstSeen = int64(n), &now
		o.Response = &events.Response{Status: 401, Challenge: &events.Challenge{Scheme: "Bearer", Error: "invalid_token"}}
	}
	return must(events.New(typ, "urn:authwatch:proxy:load", workload, now, o))
}

func (l *load) acknowledged() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.acked...)
}

// report is what the load came to since the last report.
func (l *load) report(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("load: %d observations acknowledged so far, one waited %.1f s; %d attempts were not", len(l.acked), l.longest.Seconds(), l.failed)
	l.longest = 0
}
