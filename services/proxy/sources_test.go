package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/proxy"
	"github.com/authwatch/authwatch/services/proxy/credential"
)

// rotating is a token endpoint whose refresh tokens can be used once.
type rotating struct {
	*httptest.Server
	file    string        // of the refresh token
	arrived chan struct{} // a request has used up a token
	answer  chan struct{} // closed: requests are answered

	mu      sync.Mutex
	uses    int
	revoked bool
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	r := &rotating{file: filepath.Join(t.TempDir(), "refresh"), arrived: make(chan struct{}, 10), answer: make(chan struct{})}
	require.NoError(t, os.WriteFile(r.file, []byte("refresh-0"), 0o600))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.revoked = r.revoked || q.PostFormValue("refresh_token") != fmt.Sprintf("refresh-%d", r.uses)
		r.uses++
		answer := map[string]any{"access_token": goodToken, "expires_in": 3600, "refresh_token": fmt.Sprintf("refresh-%d", r.uses)}
		status := http.StatusOK
		if r.revoked {
			answer, status = map[string]any{"error": "invalid_grant"}, http.StatusBadRequest
		}
		r.mu.Unlock()
		r.arrived <- struct{}{}
		<-r.answer
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *rotating) credential() credential.Config {
	return credential.Config{OAuth2: &credential.OAuth2{
		TokenURL: r.URL, ClientID: "me", AuthStyle: "body", RefreshTokenFile: r.file, Timeout: config.Duration(20 * time.Second),
	}}
}

func (r *rotating) requireOneUse(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.False(t, r.revoked, "a refresh token was used twice")
	require.Equal(t, 1, r.uses)
	content, err := os.ReadFile(r.file)
	require.NoError(t, err)
	require.Equal(t, "refresh-1\n", string(content))
}

func TestAReloadOfALabelKeepsTheTokenRequestThatIsUnderWay(t *testing.T) {
	t.Parallel()
	login := newRotating(t)
	w := newWorld(t, newRemote(t, goodToken).URL, func(w *world) { w.cfg.Workloads[0].Credential = login.credential() })
	<-login.arrived
	next := w.cfg
	next.Workloads = slices.Clone(next.Workloads)
	next.Workloads[0].Labels = map[string]string{"team": "b"}
	next.Workloads[0].Credential = login.credential() // as read from the file again
	require.NoError(t, w.proxy.Reload(next))
	close(login.answer)
	require.Equal(t, 200, w.do("GET", "/github", "").status)
	login.requireOneUse(t)
}

func TestWorkloadsWithTheSameCredentialAreOneSource(t *testing.T) {
	t.Parallel()
	login := newRotating(t)
	close(login.answer)
	remote := newRemote(t, goodToken).URL
	w := newWorld(t, remote, func(w *world) {
		w.cfg.Workloads[0].Credential = login.credential()
		w.cfg.Workloads = append(w.cfg.Workloads, proxy.Workload{Name: "second", Upstream: remote, Credential: login.credential()})
	})
	require.Equal(t, 200, w.do("GET", "/github", "").status)
	require.Equal(t, 200, w.do("GET", "/second", "").status)
	login.requireOneUse(t)

	// Each is told what happens to it, also the one that comes later.
	next := w.cfg
	next.Workloads = append(slices.Clone(next.Workloads), proxy.Workload{Name: "third", Upstream: remote, Credential: login.credential()})
	require.NoError(t, w.proxy.Reload(next))
	require.Equal(t, 200, w.do("GET", "/third", "").status)
	login.requireOneUse(t)
}

func TestTheEndOfTheProxyWaitsForTheTokenThatIsUnderWay(t *testing.T) {
	t.Parallel()
	login := newRotating(t)
	w := newWorld(t, newRemote(t, goodToken).URL, func(w *world) { w.cfg.Workloads[0].Credential = login.credential() })
	<-login.arrived
	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	require.Eventually(t, func() bool { return w.proxy.Ready() != nil }, 5*time.Second, time.Millisecond)
	close(login.answer)
	<-stopped
	login.requireOneUse(t)
}
