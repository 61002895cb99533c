package proxy

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy/corpus"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/outbox"
)

// TestTheCorpus plays every history through a workload, over HTTP on connections
// in memory, so that an hour passes in a moment.
func TestTheCorpus(t *testing.T) {
	all, err := corpus.Load()
	require.NoError(t, err)
	tallies := []*corpus.Tally{{Name: "authwatch"}}
	for _, d := range corpus.Naive {
		tallies = append(tallies, &corpus.Tally{Name: d.Name})
	}
	for _, h := range all {
		t.Run(filepath.Base(h.File)+"/"+h.Name, func(t *testing.T) {
			t.Setenv(corpusToken, corpus.TokenValue("A"))
			cfg := corpusWorkload(t, &h)
			synctest.Test(t, func(t *testing.T) { play(t, &h, cfg, tallies) })
		})
	}
	var out bytes.Buffer
	corpus.Print(&out, tallies...)
	t.Log("\n" + out.String())
	require.Empty(t, tallies[0].Blamed, "living tokens are blamed")
	require.Empty(t, tallies[0].Missed, "dead tokens are missed")
}

const corpusToken = "AUTHWATCH_CORPUS_TOKEN"

// corpusWorkload reads the workload of a history as a file of a user's is read.
func corpusWorkload(t *testing.T, h *corpus.History) Workload {
	t.Helper()
	keys := map[string]any{
		"name": "corpus", "upstream": "http://upstream.example", "kind": KindMCP,
		"credential": map[string]any{"bearer_token_env": corpusToken},
	}
	if h.Kind != "" {
		keys["kind"] = h.Kind
	}
	maps.Copy(keys, h.Config)
	data, err := yaml.Marshal(map[string]any{"workloads": []any{keys}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	var cfg Config
	_, err = config.Load(file, &cfg)
	require.NoError(t, err)
	require.Empty(t, cfg.Validate())
	return cfg.Workloads[0]
}

func play(t *testing.T, h *corpus.History, cfg Workload, tallies []*corpus.Tally) {
	t.Helper()
	clients := newPipe()
	client := &http.Client{
		Transport:     &http.Transport{DialContext: clients.dial, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p, handler := corpus.NewPlayer(h, client)
	servers := newPipe()
	upstream := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = upstream.Serve(servers) }()

	g := &gateway{t: t, cfg: cfg, dial: servers.dial}
	g.start()
	front := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g.w.serve(rw, r, &g.w.atRoot, r.URL.EscapedPath())
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = front.Serve(clients) }()

	problems, err := p.Play(t.Context(), g)
	require.NoError(t, err)
	said := g.Said()
	g.stop()
	require.NoError(t, front.Close())
	require.NoError(t, upstream.Close())
	client.CloseIdleConnections()
	p.Score(said, tallies...)
	require.Empty(t, problems, "%+v", said)
}

// gateway is one workload of a proxy, without a bus.
type gateway struct {
	t    *testing.T
	cfg  Workload
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	w    *workload
	stop func()

	mu   sync.Mutex
	said []corpus.Said
}

func (g *gateway) start() {
	t := g.t
	log := slog.New(slog.DiscardHandler)
	out, err := outbox.Open(outbox.Options{Publisher: g, Log: log})
	require.NoError(t, err)
	source, err := credential.New(g.cfg.Credential, log)
	require.NoError(t, err)
	w, err := newWorkload(g.cfg, source, Limits{}, &shared{
		log: log, metrics: newMetrics(), leaseDue: newSignal(),
		publisher: &publisher{source: "urn:authwatch:proxy:corpus", outbox: out, log: log},
	})
	require.NoError(t, err)
	base, err := g.cfg.base()
	require.NoError(t, err)
	w.upstream = forward.New(forward.Options{URL: base, Dial: g.dial, ConnectTimeout: 10 * time.Second, HeaderTimeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(w.start(ctx))
	wg.Go(func() { source.Run(ctx) })
	wg.Go(func() { _ = out.Run(ctx) })
	g.w = w
	g.stop = func() {
		cancel()
		wg.Wait()
		w.retire()
	}
	synctest.Wait()
}

// Publish is where the bus would be.
func (g *gateway) Publish(_ context.Context, e event.Event) error {
	var o events.Observation
	if err := e.DataAs(&o); err != nil {
		return err
	}
	s := corpus.Said{At: e.Time()}
	switch e.Type() {
	case events.TypeAuthorized:
		s.Verdict = corpus.SaidAccepted
	case events.TypeUnauthorized:
		s.Verdict, s.Reason = corpus.SaidRejected, o.Reason(e.Type())
		if s.Reason == events.ReasonRefusedClass {
			s.Verdict = corpus.SaidRefused
		}
	case events.TypeForbidden:
		s.Verdict = corpus.SaidForbidden
	case events.TypeLoaded:
		s.Verdict = corpus.SaidNothing
	default:
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, s)
	return nil
}

func (g *gateway) URL() string { return "http://authwatch.example" }

func (g *gateway) Said() []corpus.Said {
	synctest.Wait()
	clock.Sleep(g.t.Context(), time.Second) // edges are told once a second
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.said)
}

func (g *gateway) Use(token string) {
	g.t.Setenv(corpusToken, token)
	g.w.source.Reread(g.t.Context())
	synctest.Wait()
}

func (g *gateway) Restart() {
	g.stop()
	g.start()
}

func (g *gateway) Try(ctx context.Context) string {
	return trialOf(askUpstream(ctx, g.w.upstream, &g.cfg, g.w.source.Current())).Result()
}

// pipe is a listener whose connections are in memory.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
