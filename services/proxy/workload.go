package proxy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/tracker"
)

// shared is what all workloads have in common.
type shared struct {
	log       *slog.Logger
	metrics   *metrics
	publisher *publisher
	leaseDue  signal
}

// workload is one configured upstream in service. A change of its
// configuration makes a new one; requests under way finish on the old.
type workload struct {
	cfg      Workload
	mcp      bool
	shielded bool
	upstream *forward.Upstream
	atName   forward.Target     // mounted at /<name>
	atRoot   forward.Target     // on its own listener
	source   *credential.Source // nil with passthrough
	observer *observer          // nil with passthrough
	reach    *reachability
	metrics  workloadMetrics
	log      *slog.Logger
	started  time.Time
	used     atomic.Int64 // unix nanoseconds of the last request
}

func newWorkload(cfg Workload, limits Limits, s *shared) (*workload, error) {
	base, err := cfg.base()
	if err != nil {
		return nil, err
	}
	roots, err := outbound.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	w := &workload{
		cfg: cfg, mcp: cfg.kind() == KindMCP, shielded: cfg.shielded(),
		upstream: forward.New(forward.Options{
			URL: base, RootCAs: roots, ConnectTimeout: cfg.Timeouts.connect(), HeaderTimeout: cfg.Timeouts.answer(),
			MaxBody: limits.requestBody(),
		}),
		atName:  forward.NewTarget(base, "/"+cfg.Name),
		atRoot:  forward.NewTarget(base, ""),
		metrics: s.metrics.of(cfg.Name),
		log:     s.log.With("workload", cfg.Name),
		started: time.Now(),
	}
	w.reach = &reachability{log: w.log, changed: s.leaseDue}
	if cfg.passthrough() {
		return w, nil
	}
	w.observer = &observer{name: cfg.Name, labels: cfg.Labels, upstream: cfg.shown(), publisher: s.publisher}
	w.observer.init(tracker.Options{After: cfg.UnauthorizedAfter, Settle: cfg.settle(), Shapes: !w.mcp})
	w.observer.question = w.question
	w.source, err = credential.New(cfg.Credential, credential.Options{
		Log:        w.log,
		OnChange:   func(_, _ *credential.Snapshot) { w.observer.load(time.Now()) },
		OnExpiring: func(_ *credential.Snapshot, _ time.Duration) { w.observer.expiring(time.Now()) },
		OnFailure:  func(problem string) { s.metrics.failures.WithLabelValues(cfg.Name, problem).Inc() },
	})
	if err != nil {
		return nil, err
	}
	w.observer.source = w.source
	return w, nil
}

// run keeps the credential current and the observer going until ctx ends.
func (w *workload) run(ctx context.Context) {
	if w.source == nil {
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { w.observer.run(ctx) })
	wg.Go(func() { w.probeIdle(ctx) })
	wg.Go(func() {
		if err := w.source.Run(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("credential is not followed any more", "err", err)
		}
	})
	wg.Wait()
}

// credential returns what to attach, nil when there is nothing usable. A
// process that has just started has not read the source yet.
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

// retire takes w out of service without touching what is under way.
func (w *workload) retire() {
	if w.observer != nil {
		w.observer.retire()
	}
	w.upstream.CloseIdle()
}
