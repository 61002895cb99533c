package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/judge"
	"github.com/authwatch/authwatch/services/proxy/probe"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// probeIdle asks the upstream of a workload that nobody uses, so that a token
// that dies unused is seen before the next client needs it.
func (w *workload) probeIdle(ctx context.Context) {
	if w.cfg.Probe == nil || w.cfg.Probe.IdleAfter <= 0 {
		return
	}
	w.used.CompareAndSwap(0, time.Now().UnixNano())
	plan := probe.Schedule{IdleAfter: w.cfg.Probe.IdleAfter.Std()}
	value := w.source.Current().Generation
	for {
		if g := w.source.Current().Generation; g != value {
			value = g
			plan.Renewed()
		}
		if wait := time.Until(plan.Next(time.Unix(0, w.used.Load()))); wait > 0 {
			// Not at one stroke: the credential may be replaced meanwhile.
			if !sleep(ctx, min(wait+rand.N(time.Second), probe.Soonest)) {
				return
			}
			continue
		}
		rejected := w.probe(ctx)
		plan.Asked(time.Now(), rejected || w.watch.rejected())
	}
}

// probe asks once. It returns whether the credential was rejected; that is told
// to the watch too, which may take its time to believe it.
func (w *workload) probe(ctx context.Context) (rejected bool) {
	s := w.source.Current()
	if !s.Usable() {
		return false
	}
	sent := time.Now()
	a := ask(ctx, w.upstream, &w.cfg, s.Token)
	if ctx.Err() != nil {
		return false
	}
	if a.Err != nil {
		if w.reach.failed(time.Now(), why(a.Err)) {
			w.news()
		}
		return false
	}
	if w.reach.answered(time.Now()) {
		w.news()
	}
	w.metrics.verdicts[a.Verdict.Kind].Inc()
	kinds := map[verdict.Kind]judge.Verdict{
		verdict.Accepted: judge.Accepted, verdict.Rejected: judge.Rejected, verdict.Forbidden: judge.Forbidden,
	}
	kind, ok := kinds[a.Verdict.Kind]
	if !ok {
		return false
	}
	answer := judge.Answer{
		Generation: s.Generation, Sent: sent, At: time.Now(), Verdict: kind, Scopes: a.Verdict.Scopes,
		Class:    judge.Class{Method: a.Method, Path: a.Path, MCPMethod: a.RPC},
		Response: events.Response{Status: a.Status},
	}
	if a.Verdict.Challenge != nil {
		answer.Response.Challenge = a.Verdict.Challenge.Event()
	}
	w.watch.answer(answer)
	return a.Verdict.Kind == verdict.Rejected
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
