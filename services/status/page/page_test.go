package page

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status/api"
)

func (f *fixture) open(t *testing.T, path string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	f.handler(t).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Header(), w.Body.String()
}

func TestListShowsWhatNeedsSomebodyFirst(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	code, header, body := f.open(t, "/")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	require.Contains(t, body, "<title>(2) authwatch</title>")
	at := -1
	for _, name := range []string{"github", "sentry", "figma", "stripe", "wiki", "slack", "billing"} {
		next := strings.Index(body, `id="w-`+name+`"`)
		require.Greater(t, next, at, name)
		at = next
	}
	require.Contains(t, body, "no proxy serves it")
	require.Contains(t, body, "upstream unreachable")
}

func TestListSaysThatNothingIsThereOrNothingIsWrong(t *testing.T) {
	t.Parallel()
	_, _, body := newFixture().open(t, "/")
	require.Contains(t, body, "No workload yet")
	good := newFixture()
	good.put(t, workload("github", events.StatusRunning, time.Hour))
	_, _, body = good.open(t, "/")
	require.Contains(t, body, "Nothing needs you")
	require.Contains(t, body, "<title>authwatch</title>")
}

func TestListIsFilteredByNameAndStatus(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	for path, want := range map[string][]string{
		"/?name=git":                       {"github"},
		"/?name=*i*":                       {"billing", "figma", "github", "jira", "linear", "notion", "stripe", "wiki"},
		"/?status=missing":                 {"sentry"},
		"/?status=running&name=wiki":       {"wiki"},
		"/?status=running&name=github":     {},
		"/?status=%3Cscript%3Ealert(1)":    {},
		"/?name=%22%3E%3Cscript%3Ealert(1": {},
	} {
		_, _, body := f.open(t, path)
		for _, w := range f.Workloads() {
			shown := strings.Contains(body, `id="w-`+w.Workload+`"`)
			require.Equal(t, slices.Contains(want, w.Workload), shown, "%s: %s", path, w.Workload)
		}
		require.NotContains(t, body, "<script>alert")
	}
}

func TestWorkloadShowsWhyWhatToDoAndWhoWasTold(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	code, _, body := f.open(t, "/workloads/github")
	require.Equal(t, http.StatusOK, code)
	for _, want := range []string{
		"The upstream rejected the token", "Put a new token there", "invalid_token", "tools/call", "3f9a1c0b7d22",
		"ops</b> was notified of the incident", "chat</b> could not be notified of the incident", "channel_not_found", "running before", "edge-1",
	} {
		require.Contains(t, body, want)
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	t.Parallel()
	f := newFixture()
	w := dead("github", time.Minute)
	w.Evidence.Response.Challenge.ErrorDescription = hostile
	w.Evidence.Response.Challenge.Realm = `"><script>x</script>`
	w.Message, w.Reason = hostile, hostile
	w.Labels = map[string]string{hostile: hostile}
	f.put(t, w)
	for _, path := range []string{"/", "/workloads/github"} {
		_, header, body := f.open(t, path)
		require.NotContains(t, body, "<script>document")
		require.NotContains(t, body, "<script>x")
		require.NotContains(t, body, "<img")
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	}
}

func TestStatusOfALaterVersionIsShown(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.put(t, workload("github", "quarantined", time.Minute))
	for _, path := range []string{"/", "/workloads/github"} {
		code, _, body := f.open(t, path)
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, body, "quarantined")
	}
}

func TestPageSaysThatTheServiceIsStarting(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.err = errors.New("not yet")
	for _, path := range []string{"/", "/workloads/github"} {
		code, _, body := f.open(t, path)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, body, "Reading the records")
	}
}

func TestPageSaysThatTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.mixed(t)
	_, _, body := f.open(t, "/")
	require.NotContains(t, body, "does not answer")
	f.stale = errors.New("no write is acknowledged")
	code, _, body := f.open(t, "/")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "The broker does not answer")
	require.Contains(t, body, "2 need you")
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/workloads/nobody", "/nothing", "/assets/nothing.js"} {
		code, _, _ := newFixture().open(t, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
	for path, typ := range map[string]string{
		"/assets/style.css": "text/css; charset=utf-8", "/assets/live.js": "text/javascript; charset=utf-8", "/assets/icon.svg": "image/svg+xml",
	} {
		code, header, _ := newFixture().open(t, path)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, typ, header.Get("Content-Type"))
	}
}

func TestTimesAreSaidAsPeopleDo(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "59 s ago", 90 * time.Minute: "1 h ago", 47 * time.Hour: "47 h ago",
		72 * time.Hour: "3 days ago", -90 * time.Second: "in 1 min",
	} {
		require.Equal(t, want, ago(d))
	}
}

var _ api.Reader = (*fixture)(nil)
