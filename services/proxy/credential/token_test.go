package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestATokenThatCannotWorkIsToldFromOneThatCan(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct{ token, problem, detail string }{
		"ghp_abc":                  {token: "ghp_abc"},
		"ghp_abc\n":                {token: "ghp_abc"},
		"ghp_abc\r\n":              {token: "ghp_abc"},
		"ghp_abc\n\n":              {token: "ghp_abc"},
		"\uFEFFghp_abc":            {token: "ghp_abc"},
		"Bearer ghp_abc\n":         {token: "ghp_abc"},
		"bearer   ghp_abc":         {token: "ghp_abc"},
		"BearerOfNews":             {token: "BearerOfNews"},
		"abc==":                    {token: "abc=="},
		"a$b{c}":                   {token: "a$b{c}"},
		"":                         {problem: events.ProblemEmpty},
		"\n":                       {problem: events.ProblemEmpty},
		"Bearer \n":                {problem: events.ProblemEmpty},
		"${GITHUB_TOKEN}":          {problem: events.ProblemMalformed, detail: "${…}"},
		"Bearer ${GITHUB_TOKEN}":   {problem: events.ProblemMalformed, detail: "${…}"},
		"Bearer Bearer abc":        {problem: events.ProblemMalformed, detail: "twice"},
		"bearer BEARER abc":        {problem: events.ProblemMalformed, detail: "twice"},
		"Authorization: Bearer a":  {problem: events.ProblemMalformed, detail: "header line"},
		"Basic dXNlcjpwYXNz":       {problem: events.ProblemMalformed, detail: "white space"},
		"two words":                {problem: events.ProblemMalformed, detail: "white space"},
		" abc":                     {problem: events.ProblemMalformed, detail: "white space"},
		"abc ":                     {problem: events.ProblemMalformed, detail: "white space"},
		"one\ntwo":                 {problem: events.ProblemMalformed, detail: "line"},
		"abc\x00":                  {problem: events.ProblemMalformed, detail: "control"},
		"abc\x7f":                  {problem: events.ProblemMalformed, detail: "control"},
		"tök":                      {problem: events.ProblemMalformed, detail: "ASCII"},
		"a\u200bb":                 {problem: events.ProblemMalformed, detail: "ASCII"},
		`"abc"`:                    {problem: events.ProblemMalformed, detail: "quotation"},
		"'abc'":                    {problem: events.ProblemMalformed, detail: "quotation"},
		strings.Repeat("x", 16385): {problem: events.ProblemMalformed, detail: "longer"},
	} {
		got := cleanToken(raw, "Bearer ")
		problem, detail := checkToken(got, "Bearer ")
		require.Equal(t, want.problem, problem, "%q", raw)
		require.Contains(t, detail, want.detail, "%q", raw)
		if problem == "" {
			require.Equal(t, want.token, got, "%q", raw)
			require.Empty(t, detail)
			continue
		}
		for _, secret := range []string{"GITHUB_TOKEN", "dXNlcjpwYXNz", "xxxx"} {
			require.NotContains(t, detail, secret)
		}
	}
}

func TestAFingerprintIsTheSameEverywhereAndForEver(t *testing.T) {
	t.Parallel()
	// A change of these would make every workload look rotated.
	require.Equal(t, "7d70f5d5ecc2", Fingerprint("ghp_abc"))
	require.Equal(t, "7aee0246282b", Fingerprint(""))
	require.NotEqual(t, Fingerprint("ghp_abc"), Fingerprint("ghp_abd"))
}

func TestASnapshotPrintsWithoutItsToken(t *testing.T) {
	t.Parallel()
	const secret = "canary-7c1f3e"
	s := &Snapshot{Token: secret, Generation: 1, Fingerprint: Fingerprint(secret), Source: "file /x", LoadedAt: time.Now(), header: http.Header{"Authorization": {"Bearer " + secret}}}
	require.Equal(t, "Bearer "+secret, s.Header().Get("Authorization"))
	var out bytes.Buffer
	holder := struct{ S *Snapshot }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", s, *s, holder)
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("x", "pointer", s, "value", *s, "token", s.Token)
	}
	for _, v := range []any{s, *s} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
	}
	require.NotContains(t, out.String(), secret)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
	require.Contains(t, out.String(), s.Fingerprint)
}

func TestASnapshotWithoutAUsableTokenAuthorizesNothing(t *testing.T) {
	t.Parallel()
	require.False(t, (&Snapshot{}).Usable())
	require.Empty(t, (&Snapshot{}).Header().Get("Authorization"))
	require.Empty(t, (&Snapshot{Token: "x", Problem: events.ProblemRefused}).Header().Get("Authorization"))
	require.Equal(t, "Bearer x", (&Snapshot{Token: "x"}).Header().Get("Authorization"))
}
