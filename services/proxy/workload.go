package proxy

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/rule"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// shared is what all workloads have in common.
type shared struct {
	log       *slog.Logger
	metrics   *metrics
	publisher *publisher
	roster    *roster
	leaseDue  signal
	via       string // names this process on the way to upstreams
}

// workload is one configured upstream in service. A change of its configuration
// makes a new workload; running requests finish on the old one.
type workload struct {
	cfg        Workload
	mcp        bool
	shielded   bool
	upstream   *forward.Upstream
	roots      *x509.CertPool     // nil: the system's
	atName     forward.Target     // mounted at /<name>
	atRoot     forward.Target     // on its own listener
	source     *credential.Source // nil with passthrough; others may have it too
	observer   *observer          // nil with passthrough
	reach      *reachability
	metrics    workloadMetrics
	failures   *prometheus.CounterVec
	log        *slog.Logger
	rules      *rule.Set
	challenges verdict.Reader
	started    time.Time
	used       atomic.Int64 // unix nanoseconds of the last request

	unreadable sync.Once // that bodies are, was logged
}

// newWorkload returns a workload with the credential of source, which is nil with
// passthrough.
func newWorkload(cfg Workload, source *credential.Source, limits Limits, s *shared) (*workload, error) {
	base, err := cfg.base()
	if err != nil {
		return nil, err
	}
	roots, err := outbound.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	upstream, err := cfg.connect(roots, limits.requestBody(), s.via)
	if err != nil {
		return nil, err
	}
	w := &workload{
		cfg: cfg, mcp: cfg.kind() == KindMCP, shielded: cfg.shielded(),
		upstream: upstream, roots: roots,
		atName:  forward.NewTarget(base, "/"+cfg.Name),
		atRoot:  forward.NewTarget(base, ""),
		metrics: s.metrics.of(cfg.Name),
		log:     s.log.With("workload", cfg.Name),
		started: time.Now(),
		rules:   rule.New(cfg.Rules, cfg.Provider),
	}
	w.reach = &reachability{log: w.log, changed: s.leaseDue, doubt: newSignal()}
	if source == nil {
		return w, nil
	}
	w.observer = &observer{name: cfg.Name, labels: cfg.Labels, upstream: cfg.shown(), publisher: s.publisher}
	w.observer.init(tracker.Options{After: cfg.UnauthorizedAfter, Settle: cfg.settle(), Shapes: !w.mcp})
	w.observer.question = w.question
	w.source, w.observer.source = source, source
	w.failures = s.metrics.failures
	return w, nil
}

// still reports whether w is what cfg asks for, with the content of its CA file
// as it is now.
func (w *workload) still(cfg Workload) bool {
	if w == nil || !reflect.DeepEqual(w.cfg, cfg) {
		return false
	}
	roots, err := outbound.Roots(cfg.CAFile)
	return err == nil && roots.Equal(w.roots)
}

// connect prepares the way to the upstream. maxBody bounds a request's body; 0: any
// size.
func (w *Workload) connect(roots *x509.CertPool, maxBody int64, via string) (*forward.Upstream, error) {
	base, err := w.base()
	if err != nil {
		return nil, err
	}
	return forward.New(forward.Options{
		URL: base, RootCAs: roots, MaxBody: maxBody, Via: via,
		ConnectTimeout: w.Timeouts.connect(), HeaderTimeout: w.Timeouts.answer(),
	}), nil
}

// start returns what keeps the observer going until ctx ends.
func (w *workload) start(ctx context.Context) (run func()) {
	if w.source == nil {
		return func() { w.reach.decide(ctx, w.knock) }
	}
	end := w.source.Subscribe(w)
	return func() {
		defer end()
		var wg sync.WaitGroup
		wg.Go(func() { w.reach.decide(ctx, w.knock) })
		wg.Go(func() { w.observer.run(ctx) })
		wg.Go(func() { w.keepAsking(ctx) })
		wg.Wait()
	}
}

const knockTimeout = 5 * time.Second

// knock asks whether anybody is there, without a credential. Each answer but a
// gateway's says so.
func (w *workload) knock(ctx context.Context) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.cfg.Upstream, nil)
	if err != nil {
		return outbound.Why(err), err
	}
	r.URL = w.atRoot.URL("", "", false)
	r.Header.Set("User-Agent", "authwatch")
	resp, err := w.upstream.RoundTrip(r)
	if err != nil {
		return outbound.Why(err), err
	}
	defer resp.Body.Close()
	if isGateway(resp.StatusCode) {
		return fmt.Sprintf("it answers %d", resp.StatusCode), nil
	}
	return "", nil
}

// Changed implements [credential.Subscriber].
func (w *workload) Changed(*credential.Snapshot) { w.observer.load(time.Now()) }

// Expiring implements [credential.Subscriber].
func (w *workload) Expiring(*credential.Snapshot, time.Duration) { w.observer.expiring(time.Now()) }

// Failed implements [credential.Subscriber].
func (w *workload) Failed(problem string) { w.failures.WithLabelValues(w.cfg.Name, problem).Inc() }

// credential returns what to attach; it may not be usable. After a start it
// waits for the first reading of the source.
func (w *workload) credential(ctx context.Context) *credential.Snapshot {
	s := w.source.Current()
	if s.Usable() {
		return s
	}
	select {
	case <-w.source.Loaded():
	default:
		wait := time.NewTimer(firstLoad)
		defer wait.Stop()
		select {
		case <-w.source.Loaded():
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	return w.source.Current()
}

// firstLoad is how long a request waits for the first reading of the source.
const firstLoad = 5 * time.Second

// retire takes w out of service; its running requests go on.
func (w *workload) retire() {
	if w.observer != nil {
		w.observer.retire()
	}
	w.upstream.CloseIdle()
}
