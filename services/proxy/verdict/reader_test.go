package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/redact"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

func TestAReaderForgetsWhatItReadWhenTheWordsOrTheSecretsAreOthers(t *testing.T) {
	t.Parallel()
	var r verdict.Reader
	expired := []string{`Bearer error="invalid_token", error_description="canary-one-token"`}
	description := func(secrets *redact.Filter, header ...string) string {
		c := r.Challenges(header, secrets)
		require.Len(t, c, 1)
		return c[0].Event().ErrorDescription
	}
	one, two := redact.New("canary-one-token"), redact.New("canary-two-token")
	require.NotContains(t, description(one, expired...), "canary-one")
	require.NotContains(t, description(one, expired...), "canary-one")
	require.Equal(t, "canary-one-token", description(two, expired...))
	require.Equal(t, "other", description(two, `Bearer error_description="other"`))
	require.NotContains(t, description(one, expired...), "canary-one")
	require.Empty(t, r.Challenges(nil, one))
}
