package credential

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// witness writes down what a source tells.
type witness struct {
	mu       sync.Mutex
	changes  []*Snapshot
	expiring []time.Duration
	failures []string
	text     bytes.Buffer
}

func (w *witness) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *witness) Changed(now *Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, now)
}

func (w *witness) Expiring(_ *Snapshot, left time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expiring = append(w.expiring, left)
}

func (w *witness) Failed(problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, problem)
}

// Write takes in the log.
func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *witness) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// values are those that it was told, "-" for none usable, with the problem.
func (w *witness) values() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var values []string
	for _, s := range w.changes {
		if s.Usable() {
			values = append(values, s.Token.Reveal())
		} else {
			values = append(values, "-"+s.Problem)
		}
	}
	return values
}

func (w *witness) lefts() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.expiring...)
}

func (w *witness) failed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.failures...)
}

// run runs s until the test ends.
func run(t *testing.T, s *Source) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-s.Loaded():
	case <-time.After(10 * time.Second):
		require.Fail(t, "the source was never read")
	}
}

func token(s *Source) string { return s.Current().Token.Reveal() }

func eventually(t *testing.T, want string, s *Source) {
	t.Helper()
	reaches(t, s, func(now *Snapshot) bool { return now.Token.Reveal() == want })
}

// reaches waits for a snapshot, and until everybody was told of it.
func reaches(t *testing.T, s *Source, want func(*Snapshot) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return want(s.Current()) }, 8*time.Second, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
}
