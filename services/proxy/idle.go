package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/credential"
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
	s := probe.Schedule{IdleAfter: w.cfg.Probe.IdleAfter.Std()}
	w.used.CompareAndSwap(0, time.Now().UnixNano())
	var asked uint64 // the generation
	for {
		if c := w.source.Current(); c.Generation != asked {
			s.Renewed()
		}
		wait := time.Until(s.Next(time.Unix(0, w.used.Load())))
		if wait > 0 {
			// Not longer than a minute: the credential may be renewed meanwhile.
			if !sleep(ctx, min(wait, time.Minute)+rand.N(time.Second)) {
				return
			}
			continue
		}
		c := w.source.Current()
		if c.Usable() {
			w.probe(ctx, c)
		}
		asked = c.Generation
		s.Asked(time.Now(), w.watch.rejected())
	}
}

func (w *workload) probe(ctx context.Context, c *credential.Snapshot) {
	sent := time.Now()
	a := ask(ctx, w.upstream, &w.cfg, c.Token)
	now := time.Now()
	switch {
	case ctx.Err() != nil:
		return
	case a.Err != nil:
		if w.reach.failed(now, why(a.Err)) {
			w.news()
		}
		return
	case w.reach.answered(now):
		w.news()
	}
	w.metrics.verdicts[a.Verdict.Kind].Inc()
	kind, ok := judgements[a.Verdict.Kind]
	if !ok {
		return
	}
	answer := judge.Answer{
		Generation: c.Generation, Sent: sent, At: now, Verdict: kind, Scopes: a.Verdict.Scopes,
		Class:    judge.Class{Method: a.Method, Path: a.Path, MCPMethod: a.RPC},
		Response: events.Response{Status: a.Status},
	}
	if a.Verdict.Challenge != nil {
		answer.Response.Challenge = a.Verdict.Challenge.Event()
	}
	w.watch.answer(answer)
}

// judgements are the verdicts that say something.
var judgements = map[verdict.Kind]judge.Verdict{
	verdict.Accepted: judge.Accepted, verdict.Rejected: judge.Rejected, verdict.Forbidden: judge.Forbidden,
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
