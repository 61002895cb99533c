package notifier

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// sink is a webhook receiver that answers what its script says, and 200 after
// the end of it.
type sink struct {
	*httptest.Server
	t   *testing.T
	now func() time.Time

	mu      sync.Mutex
	script  []string
	calls   []attempt
	busy    int
	crowded bool // two calls at once
	gate    chan struct{}
}

// attempt is one call that a sink got.
type attempt struct {
	at     time.Time
	id     string
	trace  string // of the event
	hop    string // of the request
	alert  events.Alert
	answer string
}

func (a attempt) workloads() []string {
	var names []string
	for _, r := range a.alert.Workloads {
		names = append(names, r.Workload)
	}
	return names
}

// newSink starts a receiver. Each word of the script is one answer: a status
// code, with "after=" a Retry-After; hang; reset; gone.
func newSink(t *testing.T, script ...string) *sink {
	t.Helper()
	s := &sink{t: t, now: time.Now, script: script, gate: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("told: %.2000s", fmt.Sprint(s.told()))
		}
		close(s.gate)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e event.Event
	var alert events.Alert
	if json.Unmarshal(body, &e) == nil {
		_ = json.Unmarshal(e.Data(), &alert)
	}
	answer := s.take(attempt{at: s.now(), id: e.ID(), trace: events.TraceParent(e), hop: r.Header.Get("Traceparent"), alert: alert})
	defer s.leave()
	word, wish, _ := strings.Cut(answer, " after=")
	if wish != "" {
		w.Header().Set("Retry-After", wish)
	}
	switch word {
	case "hang":
		select {
		case <-r.Context().Done():
		case <-s.gate:
		}
	case "reset":
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	case "302":
		http.Redirect(w, r, s.URL+"/elsewhere", http.StatusFound)
	default:
		code, err := strconv.Atoi(word)
		if err != nil {
			code = http.StatusOK
		}
		w.WriteHeader(code)
	}
}

func (s *sink) take(a attempt) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy++; s.busy > 1 {
		s.crowded = true
	}
	a.answer = "200"
	if len(s.script) > 0 {
		a.answer = s.script[0]
		if !strings.HasPrefix(a.answer, "always ") {
			s.script = s.script[1:]
		}
		a.answer = strings.TrimPrefix(a.answer, "always ")
	}
	s.calls = append(s.calls, a)
	return a.answer
}

func (s *sink) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
}

// say replaces the rest of the script.
func (s *sink) say(script ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

func (s *sink) attempts() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	require.False(s.t, s.crowded, "two calls at once")
	return append([]attempt(nil), s.calls...)
}

// accepted are the calls that were answered well.
func (s *sink) accepted() []attempt {
	var good []attempt
	for _, a := range s.attempts() {
		if a.answer[0] == '2' {
			good = append(good, a)
		}
	}
	return good
}

// told is what the sink accepted, as "kind workload,workload".
func (s *sink) told() []string {
	var all []string
	for _, a := range s.accepted() {
		all = append(all, fmt.Sprintf("%s %s", a.alert.Kind, strings.Join(a.workloads(), ",")))
	}
	return all
}

func (s *sink) waitFor(want ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) { require.Equal(c, want, s.told()) }, 20*time.Second, 5*time.Millisecond)
}

// waitForAll is waitFor, in any order.
func (s *sink) waitForAll(want ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		require.ElementsMatch(c, want, s.told())
	}, 20*time.Second, 5*time.Millisecond)
}

func (s *sink) config(name string) receiver.Config {
	return receiver.Config{Name: name, Webhook: &receiver.Webhook{URL: config.Secret(s.URL)}}
}
