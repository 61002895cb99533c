package notifier

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// promAlert is what Alertmanager gets of one alert.
type promAlert struct {
	Labels       map[string]string
	Annotations  map[string]string
	EndsAt       time.Time
	GeneratorURL string
}

// alertmanager is a server that keeps the requests it gets.
type alertmanager struct {
	*httptest.Server
	mu    sync.Mutex
	posts [][]promAlert
}

func newAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	a := &alertmanager{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var alerts []promAlert
		_ = json.NewDecoder(r.Body).Decode(&alerts)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.posts = append(a.posts, alerts)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *alertmanager) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.posts)
}

// last is the only alert of the latest request.
func (a *alertmanager) last(t *testing.T) promAlert {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.NotEmpty(t, a.posts)
	alerts := a.posts[len(a.posts)-1]
	require.Len(t, alerts, 1)
	return alerts[0]
}

func TestAlertmanagerIsToldAgainEveryMinuteWhatItWasTold(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	am := newAlertmanager(t)
	c := one(receiver.Config{Name: "am", Alertmanager: &receiver.Alertmanager{URL: config.Secret(am.URL)}})
	c.ExternalURL = "https://authwatch.example/"
	stop := s.notify(c)
	s.truth["github"] = events.Record{Labels: map[string]string{"team": "platform"}}
	s.die("github")
	s.seen()
	s.passing(time.Second, func() bool { return am.count() == 1 })
	first := am.last(t)
	require.Equal(t, map[string]string{"alertname": "WorkloadCredential", "workload": "github", "team": "platform"}, first.Labels)
	require.Equal(t, "https://authwatch.example/workloads/github", first.GeneratorURL)

	moved := s.truth["github"]
	moved.Labels = map[string]string{"team": "data", "region": "eu"}
	s.truth["github"] = moved
	s.say(moved)
	s.seen()
	again := func() {
		t.Helper()
		before := am.count()
		s.passing(5*time.Second, func() bool { return am.count() > before })
		got := am.last(t)
		require.Equal(t, first.Labels, got.Labels)
		require.True(t, got.EndsAt.After(s.now()), "it goes on")
		require.True(t, got.EndsAt.Before(s.now().Add(10*time.Minute)), "it ends by itself if nobody repeats it")
	}
	again()
	again()
	stop()
	s.notify(c)
	again()

	s.recover("github")
	s.seen()
	s.passing(time.Second, func() bool { return !am.last(t).EndsAt.After(s.now()) })
	require.Equal(t, first.Labels, am.last(t).Labels)
	told := am.count()
	for range 12 {
		s.clock.move(10 * time.Second)
	}
	s.seen()
	require.Equal(t, told, am.count())
	s.receiptsOf(2, events.TypeAlertDelivered, "github")
}

func TestAlertmanagerIsToldAgainOfAReceiverThatRefuses(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	am, ops := newAlertmanager(t), s.sink("always 403")
	s.notify(Config{
		Receivers: []receiver.Config{
			ops.config("ops"), {Name: "am", Alertmanager: &receiver.Alertmanager{URL: config.Secret(am.URL)}},
		},
		Routes: []Route{{Receivers: []string{"ops", "am"}}},
	})
	s.die("github")
	s.seen()
	own := func() (n int) {
		am.mu.Lock()
		defer am.mu.Unlock()
		for _, alerts := range am.posts {
			for _, a := range alerts {
				if a.Labels["about"] == "receiver/ops" {
					require.Equal(t, "AuthwatchReceiver", a.Labels["alertname"])
					n++
					continue
				}
				require.Equal(t, "github", a.Labels["workload"])
			}
		}
		return n
	}
	s.passing(5*time.Second, func() bool { return own() > 2 })
}
