package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/judge"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// maxProbePause is where backing off ends while the credential stays rejected.
const maxProbePause = 6 * time.Hour

// probeIdle asks the upstream of a workload that nobody uses, so that a token
// that dies unused is seen before the next client needs it.
func (w *workload) probeIdle(ctx context.Context) {
	if w.cfg.Probe == nil || w.cfg.Probe.IdleAfter <= 0 {
		return
	}
	idle := w.cfg.Probe.IdleAfter.Std()
	w.used.CompareAndSwap(0, time.Now().UnixNano())
	pause := idle
	for {
		last := time.Unix(0, w.used.Load())
		wait := time.Until(last.Add(pause))
		if wait > 0 {
			if !sleep(ctx, wait+rand.N(time.Second)) {
				return
			}
			continue
		}
		w.used.Store(time.Now().UnixNano())
		w.probe(ctx)
		if w.watch.rejected() {
			pause = min(2*pause, maxProbePause)
		} else {
			pause = idle
		}
	}
}

func (w *workload) probe(ctx context.Context) {
	s := w.source.Current()
	if !s.Usable() {
		return
	}
	sent := time.Now()
	a := ask(ctx, w.upstream, &w.cfg, s.Authorization())
	if ctx.Err() != nil {
		return
	}
	if a.err != nil {
		if w.reach.failed(time.Now(), why(a.err)) {
			w.news()
		}
		return
	}
	if w.reach.answered(time.Now()) {
		w.news()
	}
	w.metrics.verdicts[a.verdict.Kind].Inc()
	kinds := map[verdict.Kind]judge.Verdict{
		verdict.Accepted: judge.Accepted, verdict.Rejected: judge.Rejected, verdict.Forbidden: judge.Forbidden,
	}
	kind, ok := kinds[a.verdict.Kind]
	if !ok {
		return
	}
	answer := judge.Answer{
		Generation: s.Generation, Sent: sent, At: time.Now(), Verdict: kind, Scopes: a.verdict.Scopes,
		Class:    judge.Class{Method: a.method, Path: a.path, MCPMethod: a.rpc},
		Response: events.Response{Status: a.status},
	}
	if a.verdict.Challenge != nil {
		answer.Response.Challenge = a.verdict.Challenge.Event()
	}
	w.watch.answer(answer)
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
