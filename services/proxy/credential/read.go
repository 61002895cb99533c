package credential

import (
	"context"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/clock"
)

// settleStep is how often a file is read again while a failure settles.
const settleStep = 20 * time.Millisecond

// read asks the fetcher once and takes in the outcome. due: it is time for it;
// else somebody doubts the token.
func (s *Source) read(ctx context.Context, due bool) {
	if !due && !s.mayDoubt(time.Now()) {
		return
	}
	r, bad := s.ask(ctx)
	for end := time.Now().Add(s.kind.settle); bad != nil && s.unsettled(bad) && time.Now().Before(end); {
		if !clock.Sleep(ctx, settleStep) {
			break
		}
		r, bad = s.ask(ctx)
	}
	if ctx.Err() != nil {
		return // the process ends; this says nothing about the source
	}
	if bad != nil {
		bad.detail, bad.said = s.explain(bad), ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad == nil {
		s.succeed(r, time.Now())
	} else {
		s.fail(bad, time.Now())
	}
	s.firstLoad()
	s.replan()
}

func (s *Source) ask(ctx context.Context) (reading, *failure) {
	r, bad := s.fetcher.read(ctx)
	if bad != nil {
		return r, bad
	}
	if r.attached, bad = attach(s.fields, r.token); bad != nil {
		return r, bad
	}
	r.token = r.attached.parts[0]
	if !r.expires.IsZero() && !r.expires.After(time.Now()) {
		return r, &failure{problem: events.ProblemFailed, detail: "it gave a token that has expired already"}
	}
	return r, nil
}

// mayDoubt protects helpers and token endpoints from being asked for every
// rejected request. A token that is rejected right after it was given is doubted
// once: they may have given it too early, or from a cache.
func (s *Source) mayDoubt(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	switch {
	case !s.kind.renews || st.asked.IsZero():
		return true
	case now.Before(st.retry) || now.Sub(st.asked) < youngest && now.Sub(st.doubted) < youngest:
		return false
	}
	st.doubted = now
	return true
}

// unsettled: a failure that was not there the last time may be a moment of a
// replacement. The very first reading is taken as it is.
func (s *Source) unsettled(bad *failure) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.state.failed
	return !s.state.asked.IsZero() && (known == nil || known.problem != bad.problem)
}

func (s *Source) succeed(r reading, now time.Time) {
	st := &s.state
	prev := s.Current()
	recovered := st.failed != nil
	st.asked, st.failed, st.failures, st.retry = now, nil, 0, time.Time{}
	next, news := s.adopt(r, now)
	s.current.Store(next)
	switch {
	case news:
		s.log.Info("credential loaded", "from", next.Source, "fingerprint", next.Fingerprint, "generation", next.Generation)
	case recovered:
		s.log.Info("credential can be read again, its value is the same", "from", next.Source, "fingerprint", next.Fingerprint)
	}
	if news || !prev.Usable() {
		s.tellChange(next)
	}
}

// fail keeps the last good value where there is one.
func (s *Source) fail(bad *failure, now time.Time) {
	st := &s.state
	prev := s.Current()
	known := bad.same(st.failed)
	st.asked, st.failed = now, bad
	st.failures++
	if s.kind.renews {
		st.retry = s.backoff(bad, now)
	}
	for _, sub := range s.subscribers {
		sub.Failed(bad.problem)
	}
	if prev.Usable() && !st.over(now) {
		if !known {
			s.log.Warn("credential cannot be read; the one in use stays", "from", prev.Source,
				"fingerprint", prev.Fingerprint, "problem", bad.problem, "detail", bad.detail)
			stale := *prev
			stale.Stale = bad.detail
			s.current.Store(&stale)
		}
		return
	}
	s.drop(prev)
}

// over reports whether the source has taken the token back.
func (st *state) over(now time.Time) bool { return !st.until.IsZero() && !now.Before(st.until) }

// drop publishes that no token is usable, for the reason of the last failure.
func (s *Source) drop(prev *Snapshot) {
	bad := s.state.failed
	next := &Snapshot{Source: s.kind.name, Problem: bad.problem, Detail: bad.detail}
	if prev.Problem == next.Problem && prev.Detail == next.Detail {
		return
	}
	s.current.Store(next)
	s.log.Warn("no usable credential", "from", next.Source, "problem", next.Problem, "detail", next.Detail)
	s.tellChange(next)
}

func (s *Source) tellChange(next *Snapshot) {
	for _, sub := range s.subscribers {
		sub.Changed(next)
	}
}

func (s *Source) firstLoad() {
	select {
	case <-s.loaded:
	default:
		close(s.loaded)
	}
}

func (s *Source) replan() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
