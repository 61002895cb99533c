package outbound_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/outbound"
)

func TestAnEgressProxyThatCannotBeReadIsAProblemThatHidesItsPassword(t *testing.T) { //nolint:paralleltest // it sets the environment in a loop
	for value, text := range map[string]string{
		"http://user:pa%ss@proxy:3128": "write % as %25",
		"user:pa%zz@proxy:3128":        "write % as %25",
		"http://":                      "write http://host:port",
		"http://proxy:port":            "write http://host:port",
		"ftp://proxy:21":               `the kind "ftp"`,
	} {
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "https_proxy"} {
			for _, other := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
				t.Setenv(other, "")
			}
			t.Setenv(name, value)
			ps := outbound.CheckEnvironment()
			require.Len(t, ps, 1, value)
			require.Equal(t, name, ps[0].Path)
			require.Contains(t, ps[0].Text, text)
			require.NotContains(t, ps[0].Text, "pa%")
		}
	}
}

func TestAnEgressProxyThatCanBeReadIsNoProblem(t *testing.T) { //nolint:paralleltest // it sets the environment in a loop
	for _, value := range []string{"", "http://proxy:3128", "proxy:3128", "10.0.0.1:3128", "https://u:p%25@proxy", "socks5://[::1]:1080"} {
		t.Setenv("HTTPS_PROXY", value)
		require.Equal(t, []config.Problem(nil), outbound.CheckEnvironment(), value)
	}
}
