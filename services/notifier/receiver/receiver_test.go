package receiver

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// provider is a server that keeps what it gets and answers what it is told to.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	got    []seen
	answer func(w http.ResponseWriter, r *http.Request)
}

type seen struct {
	method, path string
	header       http.Header
	body         []byte
}

func newProvider(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *provider {
	t.Helper()
	p := &provider{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, seen{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
		p.mu.Unlock()
		p.answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) requests() []seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]seen(nil), p.got...)
}

// only is the one request that came.
func (p *provider) only(t *testing.T) seen {
	t.Helper()
	got := p.requests()
	require.Len(t, got, 1)
	return got[0]
}

func status(code int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func secret(s string) config.Secret { return config.Secret(s) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func build(t *testing.T, c Config) Receiver {
	t.Helper()
	c.Name = "ops"
	require.Empty(t, c.Problems())
	r, err := New(c, Options{Source: "urn:authwatch:notifier:test", Now: func() time.Time { return noon }})
	require.NoError(t, err)
	return r
}

func send(t *testing.T, c Config, m Message) plan.Result {
	t.Helper()
	m.Receiver = "ops"
	templates, err := c.Templates()
	require.NoError(t, err)
	require.NoError(t, templates.Render(&m))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return build(t, c).Send(ctx, m)
}

// sample is the first message of that kind.
func sample(t *testing.T, kind string, open bool) Message {
	t.Helper()
	for _, m := range samples(noon) {
		if m.Kind == kind && m.Open == open {
			return m
		}
	}
	require.Fail(t, "no sample", kind)
	return Message{}
}

func opened(t *testing.T) Message {
	t.Helper()
	return sample(t, events.KindOpened, true)
}

func resolved(t *testing.T) Message {
	t.Helper()
	return sample(t, events.KindResolved, false)
}
