package guard_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/guard"
)

const (
	local = "127.0.0.1:8080"
	named = "proxy.example.com:8080"
	every = "0.0.0.0:8080"
)

func TestOnlyNamesOfTheListenerAreServed(t *testing.T) {
	t.Parallel()
	g := guard.Guard{Listen: every, Hosts: []string{"proxy.example.com"}}
	for host, want := range map[string]bool{
		"127.0.0.1:8080": true, "proxy.example.com:8080": true, "10.0.0.1": true, "evil.example": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = host
		no := g.Check(r, false)
		require.Equal(t, want, no == nil, host)
		if no != nil {
			require.Equal(t, guard.ReasonHost, no.Reason)
			require.Equal(t, http.StatusForbidden, no.Status)
		}
	}
}

func TestOnlyPagesOfKnownOriginsGetIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen  string
		allowed []string
		origins []string
		ok      bool
	}{
		{local, nil, nil, true}, // no browser
		{local, nil, []string{"http://localhost:3000"}, true},
		{local, nil, []string{"https://127.0.0.1"}, true},
		{local, nil, []string{"http://[::1]:1"}, true},
		{local, nil, []string{"http://evil.example"}, false},
		{local, nil, []string{"http://localhost.evil.example"}, false},
		{local, nil, []string{"http://localhost@evil.example"}, false},
		{local, nil, []string{"null"}, false},
		{local, nil, []string{""}, false},
		{local, nil, []string{"file://localhost"}, false},
		{local, nil, []string{"http://localhost", "http://evil.example"}, false},
		{named, nil, []string{"https://proxy.example.com"}, true},
		{every, nil, []string{"http://0.0.0.0"}, false},
		{every, nil, []string{"http://10.0.0.1"}, false}, // a page of another machine
		{local, []string{"https://app.example.com"}, []string{"https://app.example.com"}, true},
		{local, []string{"https://app.example.com"}, []string{"http://app.example.com"}, false},
		{local, []string{"https://app.example.com"}, []string{"https://app.example.com:444"}, false},
		{local, []string{"null"}, []string{"null"}, true},
		{local, []string{"*"}, []string{"http://evil.example"}, true},
	} {
		g := guard.Guard{Listen: c.listen, Origins: c.allowed}
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
		r.Header["Origin"] = c.origins
		no := g.Check(r, false)
		require.Equal(t, c.ok, no == nil, "%+v", c)
		if no != nil {
			require.Equal(t, guard.ReasonOrigin, no.Reason)
		}
	}
}

func TestMethodsThatWouldShowTheTokenAreRefused(t *testing.T) {
	t.Parallel()
	g := guard.Guard{Listen: local}
	for method, ok := range map[string]bool{
		"TRACE": false, "CONNECT": false, "GET": true, "OPTIONS": true, "PROPFIND": true, "QUERY": true,
		"trace": false, "Trace": false, "TRACK": false, "track": false, "PRI": false, "connect": false, "DEBUG": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		r.Method = method
		require.Equal(t, ok, g.Check(r, false) == nil, method)
	}
}

func tokens(t *testing.T, text string) (*guard.Tokens, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clients")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return guard.NewTokens(file)
}

const one, two = "client-token-number-1", "client-token-number-2"

func TestAClientShowsOneOfTheTokens(t *testing.T) {
	t.Parallel()
	set, err := tokens(t, "\uFEFF# people\r\n"+one+"\r\n\n  "+two+"  ")
	require.NoError(t, err)
	for _, c := range []struct {
		values []string
		ok     bool
	}{
		{[]string{"Bearer " + one}, true},
		{[]string{"bearer  " + two + " "}, true},
		{[]string{"Bearer " + one[:len(one)-1]}, false},
		{[]string{"Bearer " + one + "x"}, false},
		{[]string{"Bearer " + strings.ToUpper(one)}, false},
		{[]string{"Bearer # people"}, false},
		{[]string{"Basic " + one}, false},
		{[]string{one}, false},
		{[]string{"Bearer"}, false},
		{[]string{"Bearer "}, false},
		{[]string{"Bearer " + one, "Bearer " + one}, false}, // which one the upstream would take is anybody's guess
		{nil, false},
	} {
		require.Equal(t, c.ok, set.Allow(http.Header{"Authorization": c.values}, false), "%q", c.values)
		require.Equal(t, c.ok, set.Allow(http.Header{"Proxy-Authorization": c.values}, true), "%q", c.values)
		require.False(t, set.Allow(http.Header{"Authorization": c.values}, true), "with passthrough that is the upstream's")
	}
	g := guard.Guard{Listen: local, Clients: set}
	no := g.Check(httptest.NewRequest(http.MethodGet, "http://localhost/", nil), false)
	require.Equal(t, guard.Refusal{Status: 401, Reason: guard.ReasonClient, Text: "the proxy wants a bearer token of its own (proxy.client_auth)"}, *no)
}

func TestAChangedFileReplacesTheTokensAndABadOneDoesNot(t *testing.T) {
	t.Parallel()
	set, err := tokens(t, one)
	require.NoError(t, err)
	allowed := func(token string) bool { return set.Allow(http.Header{"Authorization": {"Bearer " + token}}, false) }
	changed, err := set.Reload()
	require.NoError(t, err)
	require.False(t, changed)

	require.NoError(t, os.WriteFile(set.File, []byte(two), 0o600))
	require.True(t, allowed(one), "until it is read")
	changed, err = set.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	require.False(t, allowed(one))
	require.True(t, allowed(two))

	for text, want := range map[string]string{
		"":                             "contains no token",
		"# nothing\n":                  "contains no token",
		two + "\nshort\n":              "line 2: a client token has at least 16 characters",
		"Bearer client-token-number-1": "line 1: one token a line, without spaces and without \"Bearer\"",
		strings.Repeat("x", 1<<20+1):   "larger than 1048576 bytes",
	} {
		require.NoError(t, os.WriteFile(set.File, []byte(text), 0o600))
		_, err = set.Reload()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "client-token")
		require.True(t, allowed(two), "those read last stay good")
	}
	require.NoError(t, os.Remove(set.File))
	require.NoError(t, syscall.Mkfifo(set.File, 0o600))
	_, err = set.Reload()
	require.ErrorContains(t, err, "not a regular file", "nobody waits for its writer")
	require.NoError(t, os.Remove(set.File))
	_, err = set.Reload()
	require.ErrorIs(t, err, os.ErrNotExist)
	require.True(t, allowed(two))
}
