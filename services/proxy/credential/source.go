package credential

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a source needs besides its configuration. The callbacks are
// called one at a time and in order; they must not block, nor call
// [Source.Reread]. Each may be nil.
type Options struct {
	Log *slog.Logger
	// OnChange is called when another value is in use, when no token is usable any
	// more, and when that is so for another reason. prev is nil the first time.
	OnChange func(prev, next *Snapshot)
	// OnExpiring is called once for each threshold that a value passes: 7 days, 1
	// day, 1 hour and 5 minutes before its expiry. Sources that renew their tokens
	// are announced only while the renewal fails, and at once when it is refused.
	OnExpiring func(s *Snapshot, left time.Duration)
	// OnFailure is called for each attempt that gave no token, also while an
	// earlier value stays in use.
	OnFailure func(problem string)
	// Transport reaches the token endpoint. Nil: one of its own.
	Transport http.RoundTripper
}

// Source keeps one workload's credential up to date.
type Source struct {
	origin  origin
	kind    kind
	options Options
	manual  time.Time // when it expires, from the configuration
	jitter  func() float64

	current atomic.Pointer[Snapshot]
	loaded  chan struct{}
	changed chan struct{} // Run looks at its plan again
	flight  flight

	mu    sync.Mutex // held during callbacks; never while the source is asked
	state state
}

// New returns a source that has not read anything yet: until [Source.Run] or
// [Source.Reread] has, the current snapshot has neither token nor Problem. A wrong configuration
// is the only error; the credential itself may be as bad as it likes.
func New(c Config, o Options) (*Source, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	from, k, err := newOrigin(&c, o.Transport, o.Log)
	if err != nil {
		return nil, err
	}
	return newSource(from, k, c.Expires.Time, o), nil
}

func newSource(from origin, k kind, manual time.Time, o Options) *Source {
	s := &Source{
		origin: from, kind: k, options: o, manual: manual, jitter: rand.Float64,
		loaded: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	s.flight.fly = s.read
	s.current.Store(&Snapshot{Source: k.name})
	return s
}

// Current returns the credential to use now. It does no I/O and never returns nil.
func (s *Source) Current() *Snapshot { return s.current.Load() }

// Loaded is closed once the source was read for the first time, with or without
// a token in it.
func (s *Source) Loaded() <-chan struct{} { return s.loaded }

// Reread asks the source again and returns what is current then, or when ctx
// ends. What it returns was read after the call: a value that was replaced
// before the call is never returned. Helpers and token endpoints are not asked
// again within a minute of the last time, nor earlier than they wish.
func (s *Source) Reread(ctx context.Context) *Snapshot {
	s.flight.join(ctx, false)
	return s.Current()
}

// Redact takes every value that this source has had lately out of text that
// somebody else wrote.
func (s *Source) Redact(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return redact(text, s.state.seen...)
}
