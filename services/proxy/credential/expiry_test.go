package credential

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func jwt(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestTheExpiryOfAJWTIsAHintThatHasToMakeSense(t *testing.T) {
	t.Parallel()
	soon := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		token string
		want  time.Time
	}{
		"exp in seconds":          {jwt(fmt.Sprintf(`{"exp":%d}`, soon.Unix())), soon},
		"with a fraction":         {jwt(fmt.Sprintf(`{"exp":%d.75}`, soon.Unix())), soon},
		"in exponent form":        {jwt(`{"exp":1.8e9}`), time.Unix(1800000000, 0)},
		"after iat":               {jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, noon.Unix(), soon.Unix())), soon},
		"a padded payload":        {"e30." + base64.URLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"exp":%d}`, soon.Unix()))) + ".x", soon},
		"past, after iat":         {jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, noon.Add(-2*time.Hour).Unix(), noon.Add(-time.Hour).Unix())), noon.Add(-time.Hour)},
		"before iat":              {jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, soon.Unix(), noon.Unix())), time.Time{}},
		"milliseconds":            {jwt(fmt.Sprintf(`{"exp":%d}`, soon.UnixMilli())), time.Time{}},
		"more than 10 years away": {jwt(fmt.Sprintf(`{"exp":%d}`, noon.AddDate(10, 0, 1).Unix())), time.Time{}},
		"a lifetime, not a date":  {jwt(`{"exp":3600}`), time.Time{}},
		"a text":                  {jwt(fmt.Sprintf(`{"exp":"%d"}`, soon.Unix())), time.Time{}},
		"null":                    {jwt(`{"exp":null}`), time.Time{}},
		"negative":                {jwt(`{"exp":-1}`), time.Time{}},
		"huge":                    {jwt(`{"exp":1e300}`), time.Time{}},
		"none":                    {jwt(`{"sub":"x"}`), time.Time{}},
		"no object":               {jwt(`[1]`), time.Time{}},
		"no JSON":                 {jwt(`hello`), time.Time{}},
		"no base64":               {"a.!!!.c", time.Time{}},
		"two parts":               {"a.b", time.Time{}},
		"opaque":                  {"ghp_abc", time.Time{}},
		"empty":                   {"", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := hint(c.token, noon)
			require.True(t, c.want.Equal(got), "want %v, got %v", c.want, got)
		})
	}
}

func TestAnExpiryIsAnnouncedOnceForEachThreshold(t *testing.T) {
	t.Parallel()
	a := alarm{expires: noon.Add(30 * 24 * time.Hour)}
	var told []time.Duration
	for now := noon; now.Before(a.expires.Add(time.Hour)); now = now.Add(time.Minute) {
		threshold, next := a.due(now)
		if threshold > 0 {
			require.Equal(t, now, a.expires.Add(-threshold))
			told = append(told, threshold)
			a.told = threshold
		}
		require.True(t, next.IsZero() || next.After(now))
	}
	require.Equal(t, thresholds, told)
}

func TestOfThresholdsThatPassedUnseenOnlyTheTightestIsAnnounced(t *testing.T) {
	t.Parallel()
	a := alarm{expires: noon.Add(30 * time.Minute)}
	threshold, next := a.due(noon)
	require.Equal(t, time.Hour, threshold)
	require.Equal(t, noon.Add(25*time.Minute), next)
}

func TestAThresholdThatIsLongForTheLifeOfTheTokenSaysNothing(t *testing.T) {
	t.Parallel()
	a := alarm{expires: noon.Add(time.Hour), life: time.Hour}
	threshold, next := a.due(noon)
	require.Zero(t, threshold)
	require.Equal(t, noon.Add(55*time.Minute), next)

	short := alarm{expires: noon.Add(time.Minute), life: 10 * time.Minute}
	threshold, next = short.due(noon)
	require.Zero(t, threshold)
	require.True(t, next.IsZero())
}

func TestAnExpiryThatIsOverOrUnknownIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for _, a := range []alarm{{}, {expires: noon}, {expires: noon.Add(-time.Hour)}} {
		threshold, next := a.due(noon)
		require.Zero(t, threshold)
		require.True(t, next.IsZero())
	}
}

func TestTheUpstreamSaysWhenATokenEndsThatSaysNothingItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("plain-token-1"), 0o600))
	w := &witness{}
	s, err := New(Config{BearerTokenFile: path}, w.logger())
	require.NoError(t, err)
	s.Subscribe(w)
	run(t, s)
	first := s.Current()
	require.Zero(t, first.ExpiresAt)

	ends := time.Now().Add(12 * time.Hour).Truncate(time.Second)
	s.Learn(first.Generation, ends)
	now := s.Current()
	require.Equal(t, ends, now.ExpiresAt)
	require.Equal(t, first.Generation, now.Generation)
	require.Eventually(t, func() bool { return len(w.lefts()) == 1 }, 5*time.Second, time.Millisecond)
	s.Learn(first.Generation, ends)
	s.Reread(t.Context())
	require.Equal(t, ends, s.Current().ExpiresAt, "what was learned of a value stays while it does")
	require.Len(t, w.values(), 2, "loaded, and its end known")

	require.NoError(t, os.WriteFile(path, []byte("plain-token-2"), 0o600))
	s.Reread(t.Context())
	require.Zero(t, s.Current().ExpiresAt, "another value has another end")
	s.Learn(first.Generation, ends)
	require.Zero(t, s.Current().ExpiresAt, "an answer to the value before")
	require.Len(t, w.lefts(), 1)
}

func TestWhatTheConfigurationSaysOfTheEndComesBeforeTheUpstream(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("plain-token-1"), 0o600))
	manual := time.Now().Add(100 * 24 * time.Hour).Truncate(time.Second)
	s, err := New(Config{BearerTokenFile: path, Expires: Date{manual}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s.Reread(t.Context())
	s.Learn(s.Current().Generation, manual.Add(time.Hour))
	require.Equal(t, manual, s.Current().ExpiresAt)
}
