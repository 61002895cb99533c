package credential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/clock"
)

// family is a token endpoint that replaces the refresh token at each use, and
// revokes them all when one is used twice (RFC 9700 section 4.14.2).
type family struct {
	mu      sync.Mutex
	current string
	uses    int
	revoked bool
}

func (f *family) use(token string) (next string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.revoked || token != f.current {
		f.revoked = true
		return "", false
	}
	f.uses++
	f.current = fmt.Sprintf("refresh-token-%d", f.uses)
	return f.current, true
}

func (f *family) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next, ok := f.use(r.PostFormValue("refresh_token"))
	// The old token is gone, whether or not anybody waits for the answer.
	clock.Sleep(context.WithoutCancel(r.Context()), rand.N(10*time.Millisecond))
	if !ok {
		says(400, object{"error": "invalid_grant"})(w, r)
		return
	}
	says(200, object{"access_token": "access-" + next, "expires_in": 3600, "refresh_token": next})(w, r)
}

func TestARotatedRefreshTokenIsNeverLost(t *testing.T) {
	t.Parallel()
	schedules := 40
	if os.Getenv("SOAK") == "1" {
		schedules = 2000
	}
	for range schedules {
		f := &family{current: "refresh-token-0"}
		path := filepath.Join(t.TempDir(), "refresh")
		write(t, path, f.current)
		l := newLogin(t, f.ServeHTTP)
		for range 3 {
			// Two processes, or a reload that changed the section: sources that know
			// nothing of each other. Each is stopped at some moment.
			var running sync.WaitGroup
			for n := range 1 + rand.N(3) {
				s, _ := fromLogin(t, l, func(o *OAuth2) {
					o.AuthStyle, o.RefreshTokenFile, o.Scopes = styleBody, path, []string{fmt.Sprint(n)}
				})
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(25*time.Millisecond))
				running.Go(func() {
					defer cancel()
					s.Run(ctx)
				})
			}
			running.Wait()
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.False(t, f.revoked)
		require.Equal(t, f.current, strings.TrimSpace(string(content)))
		left, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, left, 1)
	}
}

func TestATokenRequestThatHasLeftIsWaitedForAndNoOtherIsSent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refresh")
	write(t, path, "refresh-token-0")
	f := &family{current: "refresh-token-0"}
	arrived, answer := make(chan struct{}), make(chan struct{})
	l := newLogin(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-answer
		f.ServeHTTP(w, r)
	})
	s, w := fromLogin(t, l, func(o *OAuth2) { o.AuthStyle, o.RefreshTokenFile = styleBody, path })
	waiting, _ := fromLogin(t, l, func(o *OAuth2) { o.AuthStyle, o.RefreshTokenFile = styleBody, path })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	<-arrived
	running.Go(func() { waiting.Run(ctx) })
	cancel()
	close(answer)
	running.Wait()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "refresh-token-1\n", string(content))
	require.Equal(t, 1, f.uses)
	require.Empty(t, w.failed())
}

func TestWhatACrashLeftBesideARefreshTokenIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refresh")
	write(t, path, "refresh-token-0")
	write(t, filepath.Join(filepath.Dir(path), ".authwatch-refresh-123"), "half a tok")
	f := &family{current: "refresh-token-0"}
	s, _ := fromLogin(t, newLogin(t, f.ServeHTTP), func(o *OAuth2) { o.AuthStyle, o.RefreshTokenFile = styleBody, path })
	require.True(t, s.Reread(t.Context()).Usable())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}
