package credential

import (
	"context"
	"time"

	"github.com/authwatch/authwatch/services/internal/filewatch"
)

// Run keeps the credential current until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	defer s.flight.close()
	files := filewatch.Start(s.options.Log, 0, s.kind.files...)
	defer files.Close()
	s.flight.join(ctx, true)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		read, wake := s.plan(now)
		if read {
			s.flight.join(ctx, true)
			continue
		}
		if wake.IsZero() {
			wake = now.Add(24 * time.Hour)
		}
		timer.Reset(max(wake.Sub(now), 0))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.changed:
		case <-files.Changed:
			if s.origin.changed() {
				s.flight.join(ctx, true)
			}
		}
	}
	return nil
}

// plan does what is due without asking the source, and says whether to ask it,
// else when to look again.
func (s *Source) plan(now time.Time) (read bool, wake time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	if s.kind.renews {
		at := st.renew
		if st.failed != nil {
			at = st.retry
		}
		if !at.IsZero() && !now.Before(at) {
			return true, time.Time{}
		}
		wake = at
	}
	if current := s.Current(); current.Usable() {
		if st.failed != nil && !st.until.IsZero() {
			if st.over(now) {
				s.drop(current, false)
				return false, wake
			}
			wake = sooner(wake, st.until)
		}
		wake = sooner(wake, s.announce(current, now))
	}
	return false, wake
}

// announce tells of a coming expiry, and returns when to look again.
func (s *Source) announce(current *Snapshot, now time.Time) time.Time {
	st := &s.state
	if s.kind.renews && st.failed == nil {
		return time.Time{}
	}
	threshold, next := st.alarm.due(now)
	refused := s.kind.renews && st.failed.permanent && !st.refused && !st.alarm.expires.IsZero()
	if threshold == 0 && !refused {
		return next
	}
	if threshold > 0 {
		st.alarm.told = threshold
	}
	if refused {
		st.refused = true
	}
	left := st.alarm.expires.Sub(now)
	s.options.Log.Warn("credential will expire", "from", current.Source, "fingerprint", current.Fingerprint, "expires_at", current.ExpiresAt)
	if s.options.OnExpiring != nil {
		s.options.OnExpiring(current, left)
	}
	return next
}

// sooner returns the earlier of two moments, of which either may be never: zero.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
