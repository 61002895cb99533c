package status

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/status/api"
)

// running is a service that ends with the test, or when stop is called.
type running struct {
	*Service
	stop func()
}

func start(t testing.TB, b *bus.Bus, change ...func(*Options)) running {
	t.Helper()
	o := Options{Config: Config{Listen: "127.0.0.1:0"}, Bus: b}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-ended)
	}
	t.Cleanup(stop)
	require.Eventually(t, func() bool { return s.Ready() == nil && s.address() != "" }, 20*time.Second, 5*time.Millisecond)
	return running{s, stop}
}

func (r running) get(t testing.TB, path string) (int, http.Header, string) {
	t.Helper()
	res, err := http.Get("http://" + r.address() + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(body)
}

func (r running) workload(t testing.TB, name string) api.Workload {
	t.Helper()
	code, _, body := r.get(t, "/api/v1/workloads/"+name)
	if code == http.StatusNotFound {
		return api.Workload{}
	}
	require.Equal(t, http.StatusOK, code, body)
	var w api.Workload
	require.NoError(t, json.Unmarshal([]byte(body), &w))
	return w
}

// becomes waits until a workload has a status.
func (r running) becomes(t testing.TB, name string, want events.Status) api.Workload {
	t.Helper()
	var w api.Workload
	require.Eventually(t, func() bool { w = r.workload(t, name); return w.Status == want },
		20*time.Second, 5*time.Millisecond, "%s is not %s", name, want)
	return w
}

func observed(t testing.TB, typ, workload, token string) event.Event {
	t.Helper()
	e, err := observation(typ, workload, token)
	require.NoError(t, err)
	return e
}

// observation makes an event as a proxy would.
func observation(typ, workload, token string) (event.Event, error) {
	now := time.Now()
	o := events.Observation{
		Workload: workload, Upstream: "https://api.example.com/mcp",
		Credential: &events.Credential{Fingerprint: token, Source: "file /run/secrets/" + workload},
	}
	if token != "" {
		at := now.Add(-time.Hour).Add(time.Duration(token[len(token)-1]) * time.Minute).Truncate(time.Minute)
		o.Credential.LoadedAt = &at
	}
	if typ == events.TypeUnauthorized {
		o.Rejections = 1
		o.Response = &events.Response{Status: 401, Challenge: &events.Challenge{Scheme: "Bearer", Error: "invalid_token"}}
	}
	return events.New(typ, "urn:authwatch:proxy:test", workload, now, o)
}

func publish(t testing.TB, b *bus.Bus, typ, workload, token string) {
	t.Helper()
	require.NoError(t, b.Publish(t.Context(), observed(t, typ, workload, token)))
}

// changes are the status.changed events of a workload, oldest first.
func changes(t testing.TB, b *bus.Bus, workload string) []string {
	t.Helper()
	var all []string
	err := b.Each(t.Context(), bus.StreamStatus, "status.changed."+workload, 1, false, func(m bus.Message) error {
		r, err := events.ParseStatus(m.Event)
		all = append(all, string(r.Status))
		return err
	})
	require.NoError(t, err)
	return all
}

func TestObservationsBecomeTheRecordThatIsServed(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeLoaded, "github", "t1")
	publish(t, b, events.TypeAuthorized, "github", "t1")
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	w := s.becomes(t, "github", events.StatusUnauthenticated)
	require.Equal(t, "invalid_token", w.Reason)
	require.Contains(t, w.Message, "Put a new token there")
	require.Zero(t, w.ServedBy)
	require.Equal(t, []string{"unverified", "running", "unauthenticated"}, changes(t, b, "github"))

	publish(t, b, events.TypeLoaded, "github", "t2")
	publish(t, b, events.TypeAuthorized, "github", "t2")
	w = s.becomes(t, "github", events.StatusRunning)
	require.Empty(t, w.Incident)
	require.NotNil(t, w.LastIncident)

	_, _, body := s.get(t, "/api/v1/workloads/github/history?limit=3")
	var history struct{ Transitions []events.Record }
	require.NoError(t, json.Unmarshal([]byte(body), &history))
	require.Len(t, history.Transitions, 3)
	require.Equal(t, events.StatusRunning, history.Transitions[0].Status)
	require.Equal(t, events.StatusUnauthenticated, history.Transitions[2].Status)
}

func TestRestartedServiceKnowsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	first := start(t, b)
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	before := first.becomes(t, "github", events.StatusUnauthenticated)
	first.stop()
	publish(t, b, events.TypeUnauthorized, "gitlab", "t1")

	second := start(t, b)
	require.Equal(t, before, second.workload(t, "github"))
	second.becomes(t, "gitlab", events.StatusUnauthenticated)
	require.Len(t, changes(t, b, "github"), 1)
}

func TestGarbageGoesToDeadAndDelaysNobody(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	bad := observed(t, events.TypeLoaded, "github", "t1")
	bad.DataEncoded = []byte(`{"workload":"another"}`)
	require.NoError(t, b.Publish(t.Context(), bad))
	later := observed(t, events.TypeLoaded, "github", "t1")
	later.SetType("auth.of-a-later-version")
	require.NoError(t, b.Publish(t.Context(), later))
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	require.Eventually(t, func() bool {
		return testutil.ToFloat64(s.metrics.handled) == 2
	}, 10*time.Second, 5*time.Millisecond)
	_, ok := s.Workload("another")
	require.False(t, ok)
}

func TestTwoReplicasWriteOneHistory(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	one, two := start(t, server.Connect(t)), start(t, server.Connect(t))
	const workloads, rounds = 10, 12
	for round := range rounds {
		for w := range workloads {
			typ := events.TypeAuthorized
			if round%2 == 1 {
				typ = events.TypeUnauthorized
			}
			publish(t, b, typ, fmt.Sprintf("workload-%d", w), "t1")
		}
	}
	for w := range workloads {
		name := fmt.Sprintf("workload-%d", w)
		require.Eventually(t, func() bool { return len(changes(t, b, name)) >= rounds }, 20*time.Second, 20*time.Millisecond)
		for i, status := range changes(t, b, name) {
			require.Equal(t, []string{"running", "unauthenticated"}[i%2], status)
		}
		require.Len(t, changes(t, b, name), rounds)
		a := one.becomes(t, name, events.StatusUnauthenticated)
		z := two.becomes(t, name, events.StatusUnauthenticated)
		require.Equal(t, a, z)
		require.EqualValues(t, rounds/2, a.Incidents)
	}
}

func TestBrokerThatGoesAwayCostsNothingButTime(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t)
	b := server.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	server.Stop()
	require.Equal(t, events.StatusRunning, s.workload(t, "github").Status, "what is known is served on")
	server.Restart()
	require.Eventually(t, func() bool {
		return b.Publish(t.Context(), observed(t, events.TypeUnauthorized, "github", "t1")) == nil
	}, 20*time.Second, 20*time.Millisecond)
	s.becomes(t, "github", events.StatusUnauthenticated)
}

func TestLeasesSayWhoServesAndWhetherTheUpstreamIsReached(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	leases := b.Bucket(bus.BucketLeases)
	put := func(instance, reachable string) {
		t.Helper()
		_, err := leases.Put(t.Context(), "proxy."+instance, []byte(fmt.Sprintf(
			`{"instance":%q,"workloads":{"github":{"reachable":%s,"since":"2026-11-24T12:00:00Z","error":"refused"}}}`, instance, reachable)))
		require.NoError(t, err)
	}
	put("a", "false")
	require.Eventually(t, func() bool { return s.workload(t, "github").ServedBy == 1 }, 10*time.Second, 5*time.Millisecond)
	w := s.workload(t, "github")
	require.False(t, *w.Reachable)
	require.Equal(t, "refused", w.Outage.Error)
	require.Equal(t, events.StatusRunning, w.Status, "an outage is no verdict")

	put("b", "true")
	require.Eventually(t, func() bool { return s.workload(t, "github").ServedBy == 2 }, 10*time.Second, 5*time.Millisecond)
	w = s.workload(t, "github")
	require.True(t, *w.Reachable)
	require.Nil(t, w.Outage)

	require.NoError(t, leases.Delete(t.Context(), "proxy.a"))
	require.Eventually(t, func() bool { return s.workload(t, "github").ServedBy == 1 }, 10*time.Second, 5*time.Millisecond)
}

func TestServedWorkloadOfWhichNothingWasObservedIsUnknown(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	publish(t, b, events.TypeAuthorized, "zulu", "t1")
	s.becomes(t, "zulu", events.StatusRunning)
	_, err := b.Bucket(bus.BucketLeases).Put(t.Context(), "proxy.a",
		[]byte(`{"instance":"a","workloads":{"github":{"reachable":true,"since":"2026-11-24T12:00:00Z"},"Not A Name":{}}}`))
	require.NoError(t, err)
	w := s.becomes(t, "github", events.StatusUnknown)
	require.Equal(t, 1, w.ServedBy)
	require.Equal(t, "2026-11-24T12:00:00Z", w.Since.Format(time.RFC3339))
	all := s.Workloads()
	require.Len(t, all, 2)
	require.Equal(t, "github", all[0].Workload)
	require.Equal(t, "zulu", all[1].Workload)
}

// A record is a message of 64 KiB at most, and so is each of these observations.
func TestADeathIsRecordedHoweverLongTheTextsBeforeIt(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	large := func(typ string, change func(*events.Observation)) {
		t.Helper()
		o := events.Observation{Workload: "github", Credential: &events.Credential{Fingerprint: "t1"}}
		change(&o)
		e, err := events.New(typ, "urn:authwatch:proxy:test", "github", time.Now(), o)
		require.NoError(t, err)
		require.NoError(t, b.Publish(t.Context(), e))
	}
	text := strings.Repeat("x", 40<<10)
	large(events.TypeForbidden, func(o *events.Observation) { o.Scopes = []string{text} })
	large(events.TypeUnauthorized, func(o *events.Observation) {
		o.Response = &events.Response{Status: 401, Challenge: &events.Challenge{Realm: text}}
	})
	publish(t, b, events.TypeAuthorized, "github", "t1")
	s.becomes(t, "github", events.StatusRunning)
	require.Equal(t, []string{"unverified", "unauthenticated", "running"}, changes(t, b, "github"))
}

// follower reads server-sent events.
type follower struct {
	t    testing.TB
	body io.ReadCloser
	*bufio.Scanner
}

func (r running) follow(t testing.TB, lastEventID string) follower {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address()+"/api/v1/events", nil)
	require.NoError(t, err)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	return follower{t, res.Body, bufio.NewScanner(res.Body)}
}

func (f follower) next() (id, typ string, e event.Event) {
	f.t.Helper()
	for f.Scan() {
		line := f.Text()
		switch {
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "event: "):
			typ = line[7:]
		case strings.HasPrefix(line, "data: "):
			require.NoError(f.t, json.Unmarshal([]byte(line[6:]), &e))
		case line == "" && id != "":
			return id, typ, e
		}
	}
	require.NoError(f.t, f.Err())
	require.FailNow(f.t, "the feed ended")
	return
}

func TestNewRefusesABadAddress(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Config: Config{Listen: "8081"}})
	require.ErrorContains(t, err, "status.listen: want HOST:PORT")
}
