package proxy

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/outbound"
	"github.com/authwatch/authwatch/services/proxy/credential"
	"github.com/authwatch/authwatch/services/proxy/forward"
	"github.com/authwatch/authwatch/services/proxy/probe"
	"github.com/authwatch/authwatch/services/proxy/rule"
	"github.com/authwatch/authwatch/services/proxy/tracker"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// keepAsking asks the upstream of a workload that nobody uses, so that a token
// that dies unused is seen before the next client needs it; and, if configured,
// of one that is used, because not every route needs the token.
func (w *workload) keepAsking(ctx context.Context) {
	p := w.cfg.Probe
	if p == nil || p.IdleAfter <= 0 && p.Every <= 0 {
		return
	}
	now := time.Now()
	w.used.CompareAndSwap(0, now.UnixNano())
	plan := probe.Schedule{IdleAfter: p.IdleAfter.Std(), Every: p.Every.Std(), Since: now}
	value := w.source.Current().Generation
	for {
		if g := w.source.Current().Generation; g != value {
			value = g
			plan.Renewed()
		}
		if wait := time.Until(plan.Next(time.Unix(0, w.used.Load()))); wait > 0 {
			// Not at one stroke: the credential may be replaced meanwhile.
			if !clock.Sleep(ctx, min(wait+rand.N(time.Second), probe.Soonest)) {
				return
			}
			continue
		}
		rejected := w.probe(ctx)
		plan.Asked(time.Now(), rejected || w.observer.rejected())
	}
}

// probe asks once. It returns whether the credential was rejected; that is told
// to the observer too, which may take its time to believe it.
func (w *workload) probe(ctx context.Context) (rejected bool) {
	s := w.source.Current()
	if !s.Usable() {
		return false
	}
	a, err := w.put(ctx, s)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		w.reach.failed(outbound.Why(err), err)
		return false
	}
	w.reach.answered(a.Response.Status)
	if a.Verdict == verdict.Nothing {
		return false
	}
	w.observer.answer(a)
	return a.Verdict == verdict.Rejected
}

// question asks about a suspicion. What it says of the upstream's reachability,
// the suspected answer has said better.
func (w *workload) question(ctx context.Context, s *credential.Snapshot) tracker.Answer {
	a, _ := w.put(ctx, s)
	return a
}

// put asks the upstream about s. With an error there was no answer.
func (w *workload) put(ctx context.Context, s *credential.Snapshot) (tracker.Answer, error) {
	sent := time.Now()
	a := askUpstream(ctx, w.upstream, &w.cfg, s)
	w.metrics.verdicts[a.Verdict.Kind].Inc()
	return tracker.Answer{
		Generation: s.Generation, Sent: sent, At: time.Now(), Verdict: a.Verdict.Kind, Scopes: a.Verdict.Scopes,
		Class:    tracker.Class{Method: a.Method, Path: a.Path, MCPMethod: a.RPC, Own: true},
		Response: a.Verdict.Response(a.Status),
		Strong:   a.Verdict.Strong,
		FromBody: a.Verdict.FromBody,
	}, a.Err
}

// askUpstream finds out what the upstream thinks of a credential.
func askUpstream(ctx context.Context, up *forward.Upstream, w *Workload, s *credential.Snapshot) probe.Result {
	base, err := w.base()
	if err != nil {
		return probe.Result{Err: err}
	}
	var p Probe
	if w.Probe != nil {
		p = *w.Probe
	}
	path, query, has := strings.Cut(p.Path, "?")
	target := forward.NewTarget(base, "")
	q := probe.Question{
		Upstream: up, URL: target.URL(path, query, has), Header: http.Header{},
		Credential: s,
		MCP:        w.kind() == KindMCP, Method: cmp.Or(p.Method, http.MethodGet),
		Expect: probe.Expect{Status: p.Expect.Status, JSON: p.Expect.JSON},
		Rules:  rule.New(w.Rules, w.Provider),
	}
	for name, value := range p.Headers {
		q.Header.Set(name, value)
	}
	return q.Ask(ctx)
}
