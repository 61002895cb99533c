package listen_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/listen"
)

const (
	local = "127.0.0.1:8080"
	named = "proxy.example.com:8080"
	every = "0.0.0.0:8080"
)

func TestOnlyNamesOfTheListenerAreServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen  string
		allowed []string
		host    string
		ok      bool
	}{
		{local, nil, "127.0.0.1:8080", true},
		{local, nil, "127.9.9.9", true},
		{local, nil, "localhost:1", true},
		{local, nil, "LOCALHOST.", true},
		{local, nil, "[::1]:8080", true},
		{local, nil, "[::ffff:127.0.0.1]", true},
		{local, nil, "evil.example", false},
		{local, nil, "localhost.evil.example", false},
		{local, nil, "127.0.0.1.evil.example", false},
		{local, nil, "10.0.0.1", false}, // not an address of this listener
		{local, nil, "", false},
		{named, nil, "proxy.example.com", true},
		{named, nil, "PROXY.example.com:9", true},
		{named, nil, "example.com", false},
		{every, nil, "10.0.0.1:8080", true}, // rebinding takes a name
		{every, nil, "[2001:db8::1]", true},
		{every, nil, "proxy.example.com", false},
		{":8080", nil, "10.0.0.1", true},
		{every, []string{"proxy.example.com"}, "proxy.example.com:8080", true},
		{every, []string{"proxy.example.com:1"}, "proxy.example.com:1", true},
		{every, []string{"proxy.example.com:1"}, "proxy.example.com:2", false},
		{every, []string{"*.example.com"}, "a.b.example.com", true},
		{every, []string{"*.example.com"}, "example.com", false},
		{every, []string{"*.example.com"}, ".example.com", false},
		{every, []string{"*.example.com"}, "evilexample.com", false},
		{every, []string{"*example.com"}, "evilexample.com", false}, // no pattern of ours
		{local, []string{"*"}, "evil.example", true},
		{local, nil, "authwatch.localhost", true},
		{"192.0.2.7:8080", nil, "192.0.2.7", true},
		{"192.0.2.7:8080", nil, "192.0.2.8", false},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = c.host
		answer := func(code int) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
		}
		want := http.StatusForbidden
		if c.ok {
			want = http.StatusOK
		}
		hosts := listen.Hosts{Listen: c.listen, Allowed: c.allowed}
		hosts.Handler(answer(http.StatusOK), answer(http.StatusForbidden)).ServeHTTP(w, r)
		require.Equal(t, want, w.Code, "%+v", c)
	}
}

func TestOnlyAddressesOfThisMachineAreLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "LOCALHOST:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example.com:1": false,
	} {
		require.Equal(t, want, listen.Loopback(address), address)
	}
}
