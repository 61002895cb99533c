package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// pulse is one end of an event stream. The upstream sends the next event only
// when the one before has been seen.
type pulse struct {
	every  time.Duration
	events int
	sent   chan time.Time
	seen   chan struct{}
	gone   chan struct{} // the upstream saw its client leave
}

func newPulse(every time.Duration, events int) *pulse {
	return &pulse{every, events, make(chan time.Time, 1), make(chan struct{}, 1), make(chan struct{})}
}

func (p *pulse) serve(rw http.ResponseWriter, r *http.Request) {
	defer close(p.gone)
	rw.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(rw).Flush()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for i := range p.events {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
		p.sent <- time.Now()
		_, _ = fmt.Fprintf(rw, "id: %d\n\n", i)
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-p.seen:
		case <-r.Context().Done():
			return
		}
	}
	<-r.Context().Done() // the stream stays open until the client leaves
}

// follow reads the whole stream, leaves it open and returns how long each event
// took.
func (p *pulse) follow(ctx context.Context, url string) (took []time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+goodToken)
	resp, err := http.DefaultClient.Do(r) // open until ctx ends
	if err != nil {
		return nil, err
	}
	for i := range p.events {
		want := fmt.Sprintf("id: %d\n\n", i)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(resp.Body, got); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		if took = append(took, time.Since(<-p.sent)); string(got) != want {
			return nil, fmt.Errorf("event %d is %q", i, got)
		}
		p.seen <- struct{}{}
	}
	return took, nil
}

func TestAStreamArrivesEventByEventAndItsEndIsSeenUpstream(t *testing.T) {
	t.Parallel()
	every, count := 100*time.Millisecond, 20
	if os.Getenv("SOAK") != "" {
		every, count = time.Second, 90
	}
	streams := map[string]*pulse{"direct": newPulse(every, count), "proxy": newPulse(every, count)}
	up := newRemote(t, goodToken)
	up.handle(func(rw http.ResponseWriter, r *http.Request) {
		streams[strings.TrimPrefix(r.URL.Path, "/")].serve(rw, r)
	})
	w := newWorld(t, up.URL)
	ctx, leave := context.WithTimeout(t.Context(), 3*time.Duration(count)*every+10*time.Second)
	defer leave()

	var direct, through []time.Duration
	var group errgroup.Group
	group.Go(func() (err error) { direct, err = streams["direct"].follow(ctx, up.URL+"/direct"); return err })
	group.Go(func() (err error) {
		through, err = streams["proxy"].follow(ctx, w.url("/github/proxy"))
		return err
	})
	require.NoError(t, group.Wait())
	require.Len(t, through, count)
	require.Len(t, direct, count)

	left := time.Now()
	leave()
	select {
	case <-streams["proxy"].gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the upstream never saw the client leave")
	}
	t.Logf("p50/p99 of %d events: direct %v/%v, through the proxy %v/%v; a leave took %v", count,
		quantile(direct, 50), quantile(direct, 99), quantile(through, 50), quantile(through, 99), time.Since(left))
}

func quantile(all []time.Duration, percent int) time.Duration {
	return slices.Sorted(slices.Values(all))[(len(all)-1)*percent/100]
}
