package advice_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
)

var sources = []events.Source{
	{Kind: events.SourceFile, Name: "/run/secrets/github"},
	{Kind: events.SourceEnv, Name: "GITHUB_TOKEN"},
	{Kind: events.SourceExec, Name: "/usr/bin/mint"},
	{Kind: events.SourceOAuth2, Name: "https://id.example.com/token"},
	{Name: "vault kv/github"},
	{},
}

// cases are all that can be the matter with a credential from s.
func cases(s events.Source) []advice.Case {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	all := []advice.Case{{Status: events.StatusExpiring, Expires: &at}, {Status: events.StatusExpiring}}
	for _, reason := range []string{"invalid_token", "bare_401", "other_scheme", "token_revoked", "refused_class"} {
		all = append(all, advice.Case{Status: events.StatusUnauthenticated, Reason: reason})
	}
	for _, problem := range []string{
		events.ProblemNotFound, events.ProblemEmpty, events.ProblemMalformed, events.ProblemUnread,
		events.ProblemRefused, events.ProblemFailed, events.ReasonMissing, "of_a_later_version",
	} {
		all = append(all, advice.Case{Status: events.StatusMissing, Reason: problem, Detail: "it is so."})
	}
	for i := range all {
		all[i].Source = s
	}
	return all
}

func TestEveryProblemOfEverySourceIsWordedWithSomethingToDo(t *testing.T) {
	t.Parallel()
	for _, s := range sources {
		for _, c := range cases(s) {
			for _, text := range []string{c.What(), c.Do()} {
				require.True(t, strings.HasSuffix(text, "."), "%v: %q", c, text)
				require.NotContains(t, text, "..", "%v", c)
				require.NotContains(t, text, "  ", "%v", c)
			}
			require.Contains(t, c.What(), s.Name)
		}
	}
}

func TestAVariableIsNeverSaidToBeReadWithoutARestart(t *testing.T) {
	t.Parallel()
	for _, c := range cases(sources[1]) {
		require.NotContains(t, c.Text(), "no restart")
		if c.Reason != events.ReasonOtherScheme && c.Reason != events.ReasonRefusedClass {
			require.Contains(t, c.Text(), "restart the proxy")
		}
	}
}

func TestNobodyIsToldToPutATokenIntoAProgramOrAnEndpoint(t *testing.T) {
	t.Parallel()
	for _, s := range sources[2:4] {
		for _, c := range cases(s) {
			require.NotRegexp(t, "Put (a|one|a new|only the) (token )?there", c.Text())
		}
	}
}

func TestASecretFileOfAnEndpointIsNotTakenForTheEndpoint(t *testing.T) {
	t.Parallel()
	c := advice.Case{
		Status: events.StatusMissing, Source: sources[3],
		Reason: events.ProblemNotFound, Detail: "client_secret_file: no such file",
	}
	require.Equal(t, "there is no usable token from the token endpoint https://id.example.com/token: client_secret_file: no such file. "+
		"Put the client's secret or refresh token there; it is picked up at once, no restart.", c.Text())
}

func TestARefusalOfOneKindOfRequestIsSaidWithWhatIsAccepted(t *testing.T) {
	t.Parallel()
	c := advice.Case{
		Status: events.StatusUnauthenticated, Source: sources[0], Reason: events.ReasonRefusedClass,
		Request:   &events.Request{Method: "POST", Path: "/mcp", MCPMethod: "tools/call"},
		Elsewhere: &events.Acceptance{Request: &events.Request{Method: "GET", Path: "/me"}, At: time.Date(2026, 11, 24, 9, 59, 59, 0, time.UTC)},
	}
	require.Equal(t, "the upstream refuses tools/call with the token in /run/secrets/github, and accepted the same token for GET /me at 09:59:59 UTC. "+
		"Check that the token has the right to do this; some servers check the token on some requests only.", c.Text())
}

func TestTextFromOutsideIsBoundedAndOnOneLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 1000)
	rejected := advice.Case{
		Status: events.StatusUnauthenticated, Source: events.Source{Kind: events.SourceFile, Name: "/a\n" + long}, Reason: "invalid_token",
		Response: &events.Response{Status: 401, Challenge: &events.Challenge{ErrorDescription: "two\nlines\x1b[31m \u202eevil " + long}},
	}
	missing := advice.Case{Status: events.StatusMissing, Source: rejected.Source, Reason: events.ProblemFailed, Detail: "two\nlines\x1b[31m \u202eevil " + long}
	for _, c := range []advice.Case{rejected, missing} {
		require.Less(t, len(c.Text()), 900)
		require.Contains(t, c.Text(), "two lines [31m evil long")
	}
}

func TestAStatusOfALaterVersionHasNoWords(t *testing.T) {
	t.Parallel()
	require.Empty(t, advice.Case{Status: "quarantined", Source: sources[0]}.Text())
}
