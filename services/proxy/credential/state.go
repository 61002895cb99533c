package credential

import (
	"slices"
	"time"

	"github.com/authwatch/authwatch/services/internal/clock"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact"
)

// remembered is how many values are known for redaction.
const remembered = 4

// state is what a source knows besides the current snapshot.
type state struct {
	last       *Snapshot // the latest with a token; nil: there was none
	generation uint64
	parts      []string          // of last
	seen       [][]config.Secret // newest last
	secrets    *redact.Filter    // for what was seen

	asked    time.Time // when the last read ended
	doubted  time.Time // when a rejection led to the last read
	failed   *failure  // how it ended; nil: with a token
	failures int       // in a row
	retry    time.Time // not earlier, after a failure
	renew    time.Time // when a renewing source is due; zero: never

	// until is when the source takes the token back; zero where only the token
	// itself says when it ends, which the upstream decides.
	until   time.Time
	alarm   alarm
	refused bool // that it will not be renewed was announced
}

// adopt takes in what was read and returns the snapshot to publish, and whether
// its value is another one than the last.
func (s *Source) adopt(r reading, now time.Time) (next *Snapshot, news bool) {
	st := &s.state
	issued, expires := hint(r.token, now)
	if !r.expires.IsZero() {
		expires = r.expires
	} else if expires.IsZero() {
		expires = s.manual
	}
	st.until = r.expires
	a := &r.attached
	next = &Snapshot{Token: config.Secret(a.parts[0]), Source: s.kind.name, Scheme: s.scheme, ExpiresAt: expires, header: a.header}
	if st.last != nil && slices.Equal(st.parts, a.parts) {
		next.Generation, next.Fingerprint, next.LoadedAt = st.last.Generation, st.last.Fingerprint, st.last.LoadedAt
		if expires.IsZero() && st.last.learned {
			expires = st.last.ExpiresAt
			next.ExpiresAt, next.learned = expires, true
		}
	} else {
		st.generation++
		next.Generation, next.Fingerprint, next.LoadedAt = st.generation, a.fingerprint(), now
		news = true
		st.parts = a.parts
		st.seen = append(slices.Clone(st.seen), a.secrets())
		st.seen = st.seen[max(len(st.seen)-remembered, 0):]
		st.secrets = redact.New(slices.Concat(st.seen...)...)
	}
	next.secrets = st.secrets
	if news || !st.alarm.expires.Equal(expires) {
		st.alarm = alarm{expires: expires, life: s.life(issued, expires, now)}
		st.refused = false
	}
	st.renew = s.renewal(expires, now)
	st.last = next
	return next, news
}

func (s *Source) life(issued, expires, now time.Time) time.Duration {
	switch {
	case expires.IsZero():
		return 0
	case !issued.IsZero():
		return expires.Sub(issued)
	case s.kind.renews:
		return expires.Sub(now)
	}
	return 0
}

const (
	renewAt        = 0.8 // of the life
	renewSoonest   = 5 * time.Second
	retryFirst     = time.Second
	retryMost      = 5 * time.Minute
	retryPermanent = 10 * time.Minute
	retryAfterMost = time.Hour
	youngest       = time.Minute // before a fetched token is doubted again
)

// renewal is when a renewing source is asked again after it gave a token: at
// about four fifths of the token's life, so that some time is left to fail in.
func (s *Source) renewal(expires, now time.Time) time.Time {
	life := expires.Sub(now)
	switch {
	case !s.kind.renews:
		return time.Time{}
	case !expires.IsZero() && life > 0:
		life = time.Duration(float64(life) * renewAt)
	case s.kind.every > 0:
		life = s.kind.every
	default:
		return time.Time{}
	}
	return now.Add(max(s.spread(life), renewSoonest))
}

// backoff is when a renewing source is asked again after f.
func (s *Source) backoff(f *failure, now time.Time) time.Time {
	wait := clock.Backoff{First: retryFirst, Most: retryMost, Failures: s.state.failures}.Wait(s.random())
	if f.permanent {
		wait = s.spread(retryPermanent)
	}
	return now.Add(max(wait, min(f.after, retryAfterMost)))
}

// spread makes d up to a tenth shorter, so that proxies that started together
// do not ask together.
func (s *Source) spread(d time.Duration) time.Duration {
	return d - time.Duration((1-s.random())*float64(d)/10)
}
