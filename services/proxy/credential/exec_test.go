package credential

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// shell is a helper that runs a script: the tests need no shell of our own.
func shell(script string) *Exec {
	return &Exec{Command: []string{"/bin/sh", "-c", script}}
}

func fromHelper(t *testing.T, e *Exec) (*Snapshot, *witness) {
	t.Helper()
	w := &witness{}
	s, err := New(Config{Exec: e}, w.logger())
	require.NoError(t, err)
	s.Subscribe(w)
	return s.Reread(t.Context()), w
}

func TestAHelperGivesATokenBareOrAsJSON(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for name, c := range map[string]struct {
		script  string
		expires time.Time
	}{
		"bare":                     {`echo the-token`, time.Time{}},
		"with its scheme":          {`echo Bearer the-token`, time.Time{}},
		"without a line break":     {`printf the-token`, time.Time{}},
		"JSON":                     {`echo '{"token":"the-token"}'`, time.Time{}},
		"JSON with an expiry":      {fmt.Sprintf(`echo '{"token":"the-token","expires_at":%q,"more":1}'`, later.Format(time.RFC3339)), later},
		"JSON without expiry":      {`echo '{"token":"the-token","expires_at":null}'`, time.Time{}},
		"beside chatter on stderr": {`echo noise >&2; echo the-token`, time.Time{}},
		"more stderr than a pipe":  {`head -c 1000000 /dev/zero >&2; echo the-token`, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := fromHelper(t, shell(c.script))
			require.Equal(t, "Bearer the-token", got.Header().Get("Authorization"), got.Detail)
			require.True(t, c.expires.Equal(got.ExpiresAt))
			require.Equal(t, "exec /bin/sh", got.Source, "arguments may be secret")
		})
	}
}

func TestAHelperThatGivesNoTokenIsExplained(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	write(t, locked, "#!/bin/sh\n")
	for name, c := range map[string]struct {
		exec            *Exec
		problem, detail string
	}{
		"exit status":      {shell(`echo 'not logged in' >&2; echo second line >&2; exit 3`), events.ProblemFailed, "it ended with exit status 3: not logged in"},
		"silent":           {shell(`exit 1`), events.ProblemFailed, "it ended with exit status 1"},
		"killed":           {shell(`kill -9 $$`), events.ProblemFailed, "it ended with signal: killed"},
		"nothing printed":  {shell(`true`), events.ProblemEmpty, "it printed nothing"},
		"JSON without one": {shell(`echo '{"access":"x"}'`), events.ProblemEmpty, `"token"`},
		"broken JSON":      {shell(`echo '{"token": canary-0001'`), events.ProblemMalformed, "neither a token nor JSON"},
		"expiry unread":    {shell(`echo '{"token":"canary-0001","expires_at":"tomorrow"}'`), events.ProblemMalformed, "RFC 3339"},
		"expiry past":      {shell(`echo '{"token":"canary-0001","expires_at":"2020-01-01T00:00:00Z"}'`), events.ProblemFailed, "expired already"},
		"a usage message":  {shell(`echo 'usage: canary-0001 [-x]'`), events.ProblemMalformed, "white space"},
		"too much":         {shell(`head -c 100000 /dev/zero`), events.ProblemMalformed, "65536 bytes"},
		"no such program":  {&Exec{Command: []string{filepath.Join(dir, "none")}}, events.ProblemNotFound, "no such program"},
		"nor in the path":  {&Exec{Command: []string{"authwatch-test-none"}}, events.ProblemNotFound, "no such program"},
		"not executable":   {&Exec{Command: []string{locked}}, events.ProblemUnread, "permission denied"},
		"a folder":         {&Exec{Command: []string{dir}}, events.ProblemUnread, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, w := fromHelper(t, c.exec)
			require.False(t, got.Usable())
			require.Equal(t, c.problem, got.Problem, got.Detail)
			require.Contains(t, got.Detail, c.detail)
			require.NotContains(t, w.log()+got.Detail, "canary")
			require.Equal(t, []string{c.problem}, w.failed())
		})
	}
}

func TestAHelperThatHangsIsEndedWithItsChildren(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	e := shell(fmt.Sprintf(`sleep 1000 & echo $! > %s; wait`, pid))
	e.Timeout = config.Duration(200 * time.Millisecond)
	got, _ := fromHelper(t, e)
	require.Equal(t, events.ProblemFailed, got.Problem)
	require.Equal(t, "it took longer than 200ms", got.Detail)
	written, err := os.ReadFile(pid)
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(written)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !alive(child) }, 5*time.Second, 5*time.Millisecond)
}

// alive is false for a zombie, too: who reaps orphans is not our business.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestOfTheComplaintsOfAHelperOnlyTheFirstLineIsToldWithoutItsLongWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"not logged in":                                                       "not logged in",
		"not logged in\ntoken abc":                                            "not logged in",
		"token ghp_16C7e42F292c6912E7710c838347A":                             "token <redacted>",
		"token abcdefghijklmnopqrstuvwxyz was refused":                        "token <redacted> was refused",
		`{"access_token":"eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.c2lnbmF0dXJl"}`:     `{"access_token":"<redacted>"}`,
		"Get https://vault.example/secret: permission denied":                 "Get https:<redacted>: permission denied",
		"AADSTS700082: expired. Trace ID: 11111111-2222-3333-4444-5555555555": "AADSTS700082: expired. Trace ID: <redacted>",
		"password=hunter2hunter2hunter2, user=x":                              "<redacted>, user=x",
		"ünïcödé 12345678901234567890":                                        "ünïcödé <redacted>",
	} {
		s := newSource(nil, kind{}, time.Time{}, slog.New(slog.DiscardHandler))
		f := (&helper{}).failed(errors.New("x"), in)
		require.Equal(t, "it failed: "+want, s.explain(f))
	}
}
