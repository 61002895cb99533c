package page

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/status/api"
)

// fixture is what the page reads, in memory.
type fixture struct {
	mu        sync.Mutex
	workloads map[string]api.Workload
	journal   []bus.Message
	err       error // of Ready
	stale     error
	feed      *api.Feed
	sequence  uint64
}

func newFixture() *fixture {
	return &fixture{workloads: make(map[string]api.Workload), feed: api.NewFeed()}
}

func (f *fixture) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fixture) Workloads() []api.Workload {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]api.Workload, 0, len(f.workloads))
	for _, w := range f.workloads {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b api.Workload) int { return strings.Compare(a.Workload, b.Workload) })
	return all
}

func (f *fixture) Workload(name string) (api.Workload, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, ok := f.workloads[name]
	return w, ok
}

func (f *fixture) History(_ context.Context, _, filter string, limit int) ([]bus.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []bus.Message
	prefix, workload := filter[:strings.Index(filter, ".")+1], filter[strings.LastIndex(filter, "."):]
	for _, m := range slices.Backward(f.journal) {
		if strings.HasPrefix(m.Subject, prefix) && strings.HasSuffix(m.Subject, workload) && len(found) < limit {
			found = append(found, m)
		}
	}
	return found, nil
}

func (f *fixture) Each(context.Context, string, string, uint64, bool, func(bus.Message) error) error {
	return nil
}

// put stores a workload and announces it.
func (f *fixture) put(t testing.TB, w api.Workload) {
	t.Helper()
	m := f.store(t, events.TypeStatusChanged, w.Workload, w.Since, w.Record)
	f.mu.Lock()
	f.workloads[w.Workload] = w
	f.mu.Unlock()
	require.NoError(t, f.feed.Send(m))
}

func (f *fixture) store(t testing.TB, typ, workload string, at time.Time, data any) bus.Message {
	t.Helper()
	e, err := events.New(typ, "urn:authwatch:status", workload, at, data)
	require.NoError(t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sequence++
	m := bus.Message{Event: e, Subject: typ + "." + workload, Sequence: f.sequence, Stored: at}
	f.journal = append(f.journal, m)
	return m
}

func (f *fixture) handler(t testing.TB) http.Handler {
	t.Helper()
	front := api.New(f, f, f.feed, nil)
	p, err := New(f, front, func() error { return f.stale })
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/api/", front.Handler())
	mux.Handle("/", p.Handler())
	return mux
}

func workload(name string, status events.Status, since time.Duration) api.Workload {
	now := time.Now().Add(-since)
	loaded := now.Add(-26 * time.Hour)
	yes := true
	return api.Workload{
		Record: events.Record{
			Workload: name, Status: status, Since: now, Upstream: "https://api.example.com/" + name,
			Credential: &events.Credential{Fingerprint: "3f9a1c0b7d22", Source: "file /run/secrets/" + name, LoadedAt: &loaded},
			Message:    name + ": the upstream accepts the token in /run/secrets/" + name + ".",
		},
		ServedBy: 2, Reachable: &yes,
	}
}

// hostile is what an upstream may write into its challenge.
const hostile = `<script>document.title="owned"</script><img src=x onerror="document.title='owned'"> "quoted" & more`

func dead(name string, since time.Duration) api.Workload {
	w := workload(name, events.StatusUnauthenticated, since)
	first := w.Since
	w.Previous, w.Reason, w.Incident = events.StatusRunning, "invalid_token", "01JDF8Z6Q4M0N2V7B9K3X5C1TA"
	w.Incidents = 1
	w.Message = name + ": the upstream rejected the token in /run/secrets/" + name + " (invalid_token: \"The access token expired\"). Put a new token there; it is picked up at once, no restart."
	w.Evidence = &events.Evidence{
		Rejections: 3, FirstSeen: &first,
		Request: &events.Request{Method: "POST", Path: "/mcp", MCPMethod: "tools/call", MCPName: "search"},
		Response: &events.Response{Status: 401, Challenge: &events.Challenge{
			Scheme: "Bearer", Error: "invalid_token", ErrorDescription: "The access token expired", Realm: "example",
		}},
	}
	w.Observers = []events.Observer{{Source: "urn:authwatch:proxy:edge-1", Type: events.TypeUnauthorized, Time: first}}
	return w
}

// fleet fills f with n workloads, a few of them in trouble.
func (f *fixture) fleet(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		f.put(t, workload(fmt.Sprintf("service-%04d", i), events.StatusRunning, time.Duration(i+1)*time.Hour))
	}
}

// mixed fills f with one of everything.
func (f *fixture) mixed(t testing.TB) {
	t.Helper()
	for i, name := range []string{"billing", "calendar", "jira", "linear", "notion"} {
		f.put(t, workload(name, events.StatusRunning, time.Duration(i*i+1)*7*time.Hour))
	}
	f.put(t, workload("github", events.StatusRunning, 90*time.Hour))
	f.put(t, dead("github", 4*time.Minute))
	gone := workload("sentry", events.StatusMissing, 3*time.Hour)
	gone.Reason, gone.Incident = events.ProblemNotFound, "01JDF8Z6Q4M0N2V7B9K3X5C1TB"
	gone.Message = "sentry: there is no token: /run/secrets/sentry does not exist. Put a token there; it is picked up at once, no restart."
	f.put(t, gone)
	ending := workload("figma", events.StatusExpiring, 20*time.Minute)
	expires := time.Now().Add(23 * time.Hour)
	ending.Credential.ExpiresAt, ending.Reason = &expires, "expires_soon"
	ending.Message = "figma: the token in /run/secrets/figma expires soon. Put a new token there before that; it is picked up at once, no restart."
	f.put(t, ending)
	f.put(t, workload("slack", events.StatusUnverified, 30*time.Second))
	away := workload("stripe", events.StatusRunning, 9*time.Hour)
	no := false
	away.Reachable, away.Outage = &no, &api.Outage{Since: time.Now().Add(-11 * time.Minute), Error: "dial tcp: connection refused"}
	f.put(t, away)
	left := workload("wiki", events.StatusRunning, 400*time.Hour)
	left.ServedBy, left.Reachable = 0, nil
	f.put(t, left)

	at := time.Now().Add(-4 * time.Minute)
	f.store(t, events.TypeAlertDelivered, "github", at, events.Receipt{Receiver: "ops", DeliveryID: "d1", Kind: events.KindOpened, Workload: "github", Attempts: 1, StatusCode: 200})
	f.store(t, events.TypeAlertFailed, "github", at.Add(time.Minute), events.Receipt{Receiver: "chat", DeliveryID: "d2", Kind: events.KindOpened, Workload: "github", Attempts: 5, StatusCode: 404, Error: "channel_not_found"})
}
