package credential

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authwatch/authwatch/services/internal/filewatch"
)

// Subscriber is told what happens to a source, one call at a time and in order.
// It must not block, nor call the source.
type Subscriber interface {
	// Changed: another value is in use, or it is known when it ends, or no token is
	// usable any more, or that is so for another reason.
	Changed(now *Snapshot)
	// Expiring is called once for each threshold that a value passes: 7 days, 1
	// day, 1 hour and 5 minutes before its expiry. Sources that renew their tokens
	// are announced only while the renewal fails, and at once when it is refused.
	Expiring(now *Snapshot, left time.Duration)
	// Failed is called for each attempt that gave no token, also while an earlier
	// value stays in use.
	Failed(problem string)
}

// Source keeps a credential up to date, for every workload that has it.
type Source struct {
	config  Config
	fetcher fetcher
	kind    kind
	fields  []field
	scheme  string
	log     *slog.Logger
	manual  time.Time // when it expires, from the configuration
	random  func() float64

	current atomic.Pointer[Snapshot]
	loaded  chan struct{}
	changed chan struct{} // Run looks at its plan again
	reader  reader

	mu          sync.Mutex // held during callbacks; never while the source is asked
	state       state
	subscribers []Subscriber
}

// New returns a source that has not read anything yet: until [Source.Run] or
// [Source.Reread] has, the current snapshot has neither token nor Problem. A wrong configuration
// is the only error; the credential itself may be as bad as it likes.
func New(c Config, log *slog.Logger) (*Source, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	from, k, err := newFetcher(&c, log)
	if err != nil {
		return nil, err
	}
	s := newSource(from, k, c.Expires.Time, log)
	s.config, s.fields, s.scheme = c, c.fields(), schemeOf(c.fields())
	s.kind.files = append(s.kind.files, ownFiles(s.fields)...)
	return s, nil
}

func newSource(from fetcher, k kind, manual time.Time, log *slog.Logger) *Source {
	s := &Source{
		fetcher: from, kind: k, log: log,
		fields: []field{{name: authorization, prefix: bearer + " "}},
		manual: manual, random: rand.Float64,
		loaded: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	s.reader.read = s.read
	s.current.Store(&Snapshot{Source: k.name})
	return s
}

// Is reports whether c describes this source. Two sources of one credential would
// use up each other's refresh token.
func (s *Source) Is(c Config) bool { return reflect.DeepEqual(s.config, c) }

// Subscribe tells sub what happens from now on, beginning with what is current if
// the source was read already, until the returned function is called.
func (s *Source) Subscribe(sub Subscriber) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, sub)
	if !s.state.asked.IsZero() {
		sub.Changed(s.Current())
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subscribers = slices.DeleteFunc(s.subscribers, func(other Subscriber) bool { return other == sub })
	}
}

// Current returns the credential to use now. It does no I/O and never returns nil.
func (s *Source) Current() *Snapshot { return s.current.Load() }

// Loaded is closed once the source was read for the first time, with or without
// a token in it.
func (s *Source) Loaded() <-chan struct{} { return s.loaded }

// Reread asks the source again and returns what is current then, or when ctx
// ends. What it returns was read after the call: a value that was replaced
// before the call is never returned. Helpers and token endpoints are not asked
// again within a minute of the last doubt, nor earlier than they wish.
func (s *Source) Reread(ctx context.Context) *Snapshot {
	s.reader.wait(ctx, false)
	return s.Current()
}

// Learn takes in when the upstream says that the value of the generation ends.
// What the source, the token or the configuration says of that comes first.
func (s *Source) Learn(generation uint64, expires time.Time) {
	if !s.Current().learns(generation, expires) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.Current()
	if !current.learns(generation, expires) {
		return
	}
	next, last := *current, *s.state.last
	next.ExpiresAt, next.learned = expires, true
	last.ExpiresAt, last.learned = expires, true
	s.state.last = &last
	s.state.alarm.expires, s.state.alarm.life = expires, 0
	s.current.Store(&next)
	s.log.Info("the upstream says when the credential expires", "from", next.Source, "fingerprint", next.Fingerprint, "expires_at", expires)
	s.tellChange(&next)
	s.replan()
}

// redact takes every value that this source has had lately out of text that
// somebody else wrote.
func (s *Source) redact(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.secrets.Text(text)
}

// Run keeps the credential current until ctx ends. A helper or a token endpoint that
// was asked by then may still answer. It runs once.
func (s *Source) Run(ctx context.Context) {
	defer s.reader.close()
	files := filewatch.Start(s.log, 0, s.kind.files...)
	defer files.Close()
	s.reader.wait(ctx, true)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		read, wake := s.plan(now)
		if read {
			s.reader.wait(ctx, true)
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
			if s.fetcher.changed() || ownChanged(s.fields) {
				s.reader.wait(ctx, true)
			}
		}
	}
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
				s.drop(current)
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
	s.log.Warn("credential will expire", "from", current.Source, "fingerprint", current.Fingerprint, "expires_at", current.ExpiresAt)
	for _, sub := range s.subscribers {
		sub.Expiring(current, st.alarm.expires.Sub(now))
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
