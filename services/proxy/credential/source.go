package credential

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are what a source needs besides its configuration. The callbacks are
// called one at a time and in order; they must not block, nor call
// [Source.Reread]. Each may be nil.
type Options struct {
	Log *slog.Logger
	// OnChange is called when another value is in use, and when no token is
	// usable any more or for another reason. prev is nil the first time.
	OnChange func(prev, next *Snapshot)
	// OnExpiring is called once for each threshold that s passes: 7 days, 1 day,
	// 1 hour and 5 minutes before its expiry.
	OnExpiring func(s *Snapshot, left time.Duration)
	// OnFailure is called for each attempt that gave no token, also while an
	// earlier value stays in use.
	OnFailure func(problem string)
	// Transport reaches the token endpoint. Nil: one of its own.
	Transport http.RoundTripper
}

// Source keeps one workload's credential up to date.
type Source struct {
	current atomic.Pointer[Snapshot]
	loaded  chan struct{}
}

// New returns a source that has not read anything yet: until [Source.Run] or
// [Source.Reread] has, the current snapshot is not usable.
func New(_ Config, _ Options) (*Source, error) {
	s := &Source{loaded: make(chan struct{})}
	s.current.Store(&Snapshot{})
	return s, nil
}

// Current returns the credential to use now. It does no I/O and never returns nil.
func (s *Source) Current() *Snapshot { return s.current.Load() }

// Loaded is closed once the source was read for the first time, with or without
// a token in it.
func (s *Source) Loaded() <-chan struct{} { return s.loaded }

// Reread asks the source again and returns what is current then, or when ctx
// ends. What it returns was read after the call: a value that was replaced
// before the call is never returned. Helpers and token endpoints are not asked
// again for a value that is younger than a minute.
func (s *Source) Reread(_ context.Context) *Snapshot { return s.current.Load() }

// Run keeps the credential current until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
