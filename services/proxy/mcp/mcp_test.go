package mcp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/mcp"
)

func TestACallTellsItsMethodAndWhatItNames(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][2]string{
		`{"id":1,"method":"tools/call","params":{"name":"search"}}`:       {"tools/call", "search"},
		`{"id":1,"method":"resources/read","params":{"uri":"file:///a"}}`: {"resources/read", "file:///a"},
		`{"id":1,"method":"ping"}`:                                        {"ping", ""},
		"\r\n\t [{\"method\":\"a\"},{\"method\":\"b\"}]":                  {"a", ""},
		`{"method":"tools/call","params":[1]}`:                            {"tools/call", ""},
		`[]`:                                                              {"", ""},
		`null`:                                                            {"", ""},
		`garbage`:                                                         {"", ""},
		``:                                                                {"", ""},
	} {
		method, name := mcp.Call([]byte(body))
		require.Equal(t, want, [2]string{method, name}, body)
	}
}

func TestThePathsOfDiscoveryAreRecognisedHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/.well-known", "/.well-known/oauth-protected-resource", "/%2ewell-known/x", "/a/../.well-known/x",
		"/register", "//register", "/authorize/", "/%74oken", "/./token",
	} {
		require.True(t, mcp.IsDiscovery(path), path)
	}
	for _, path := range []string{"", "/", "/registered", "/a/register", "/well-known/x", "/.well-known-not", "/%zz"} {
		require.False(t, mcp.IsDiscovery(path), path)
	}
}
