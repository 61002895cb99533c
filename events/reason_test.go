package events_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestTheReasonOfARejectionIsACodeOrSaysThatThereIsNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		challenge *events.Challenge
		want      string
	}{
		{nil, "bare_401"},
		{&events.Challenge{}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Realm: "api"}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: "invalid_token"}, "invalid_token"},
		{&events.Challenge{Scheme: "bearer", Error: "Invalid_Token"}, "invalid_token"},
		{&events.Challenge{Scheme: "Bearer", Error: " invalid_token "}, "invalid_token"},
		{&events.Challenge{Scheme: "Bearer", Error: "E1042"}, "e1042"},
		{&events.Challenge{Scheme: "Bearer", Error: "token expired"}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: "invalid\ttoken"}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: `invalid"token`}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: "invalid\u200b_token"}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: "ungültig"}, "bare_401"},
		{&events.Challenge{Scheme: "Bearer", Error: "invalid_to\u212aen"}, "bare_401"}, // the Kelvin sign, a k in lower case
		{&events.Challenge{Scheme: "Bearer", Error: strings.Repeat("a", 40)}, strings.Repeat("a", 40)},
		{&events.Challenge{Scheme: "Bearer", Error: strings.Repeat("a", 41)}, "bare_401"},
		{&events.Challenge{Scheme: "Basic", Realm: "corporate"}, "other_scheme"},
		{&events.Challenge{Scheme: "DPoP", Error: "invalid_token"}, "other_scheme"},
	} {
		require.Equal(t, c.want, c.challenge.Reason(""), "%+v", c.challenge)
		o := events.Observation{Response: &events.Response{Status: 401, Challenge: c.challenge}}
		require.Equal(t, c.want, o.Reason(events.TypeUnauthorized), "%+v", c.challenge)
	}
}

func TestAnObservationHasAReasonOnlyIfItIsBadNews(t *testing.T) {
	t.Parallel()
	require.Equal(t, "bare_401", events.Observation{}.Reason(events.TypeUnauthorized))
	require.Equal(t, "missing", events.Observation{}.Reason(events.TypeMissing))
	require.Equal(t, "missing", events.Observation{Problem: "not a code"}.Reason(events.TypeMissing))
	require.Equal(t, "not_found", events.Observation{Problem: events.ProblemNotFound}.Reason(events.TypeMissing))
	require.Equal(t, "expires_soon", events.Observation{}.Reason(events.TypeExpiring))
	for _, typ := range []string{events.TypeLoaded, events.TypeAuthorized, "auth.other"} {
		require.Empty(t, events.Observation{Problem: "empty"}.Reason(typ), typ)
	}
}

func TestAChallengeIsOfAnotherSchemeThanTheOneThatWasSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scheme, asked, code, want string }{
		{"", "Basic", "", events.ReasonOtherScheme},
		{"Bearer", "Basic", "", events.ReasonOtherScheme},
		{"Basic", "basic", "", events.ReasonBare401},
		{"Basic", "Bearer", "", events.ReasonOtherScheme},
		{"Basic", "Bearer", "invalid_token", "invalid_token"},
		{"Token", "Token", "", events.ReasonBare401},
		{"Token", "Basic", "", events.ReasonOtherScheme},
		{events.SchemeNone, "Basic", "", events.ReasonBare401}, // an API key has no scheme
		{events.SchemeNone, "Bearer", "expired", "expired"},
	} {
		o := events.Observation{
			Credential: &events.Credential{Scheme: c.scheme},
			Response:   &events.Response{Status: 401, Challenge: &events.Challenge{Scheme: c.asked, Error: c.code}},
		}
		require.Equal(t, c.want, o.Reason(events.TypeUnauthorized), "%+v", c)
	}
}
