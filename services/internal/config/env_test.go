package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

func TestVariablesAreExpandedInValuesOnlyAndOnlyOnce(t *testing.T) {
	t.Setenv("AUTHWATCH_TEST_A", "x: {y: 1}\nproxy: [\"${env:HOME}\"]")
	t.Setenv("AUTHWATCH_TEST_N", "7")
	t.Setenv("AUTHWATCH_TEST_EMPTY", "")
	r, err := parse(t, `
data_dir: ${env:AUTHWATCH_TEST_A}
nats: {url: "a${env:AUTHWATCH_TEST_N}-${env:AUTHWATCH_TEST_EMPTY}b", password: "${AUTHWATCH_TEST_A} $HOME $${x}"}
proxy:
  labels: {"${env:AUTHWATCH_TEST_N}": b}
  workloads: [{unauthorized_after: "${env:AUTHWATCH_TEST_N}"}]
`)
	require.NoError(t, err)
	require.Equal(t, "x: {y: 1}\nproxy: [\"${env:HOME}\"]", r.DataDir)
	require.Equal(t, "a7-b", r.NATS.URL)
	require.Equal(t, config.Secret("${AUTHWATCH_TEST_A} $HOME $${x}"), r.NATS.Password)
	require.Equal(t, map[string]string{"${env:AUTHWATCH_TEST_N}": "b"}, r.Proxy.Labels)
	require.Equal(t, 7, r.Proxy.Workloads[0].After)
}

func TestWhatAVariableHoldsIsNotShownWhenItDoesNotFit(t *testing.T) {
	t.Setenv("AUTHWATCH_TEST_SECRET", "hunter2")
	_, err := parse(t, "proxy:\n  idle_timeout: ${env:AUTHWATCH_TEST_SECRET}\n  ratio: ${env:AUTHWATCH_TEST_SECRET}\n")
	require.EqualError(t, err, `authwatch.yaml:2: proxy.idle_timeout: expected a duration such as "30s", "4h" or "7d", found something else in ${env:AUTHWATCH_TEST_SECRET}
authwatch.yaml:3: proxy.ratio: expected a number, found something else in ${env:AUTHWATCH_TEST_SECRET}`)
}
