package shield_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/proxy/shield"
)

var answer = shield.Reply{
	Status: http.StatusServiceUnavailable, Code: shield.CodeUnauthorized, Workload: "github",
	Reason: "invalid_token", Message: `the token is "dead"`, RetryAfter: 30,
}

func write(method string, a shield.Reply, mcp bool, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	w.Header().Set("X-From-Upstream", "1")
	shield.Write(w, httptest.NewRequest(method, "/", nil), a, mcp, []byte(body))
	return w
}

func TestTheIDOfTheRequestIsEchoedAsItWasWritten(t *testing.T) {
	t.Parallel()
	of := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":4011,"message":"the token is \"dead\"","data":{"workload":"github","reason":"invalid_token"}}}`
	}
	long := `"` + strings.Repeat("x", 300) + `"`
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":7,"method":"m"}`:      of("7"),
		`{"id":-1.5e3,"method":"m"}`:                 of("-1.5e3"),
		`{"id":12345678901234567890,"method":"m"}`:   of("12345678901234567890"), // beyond a float
		`{"id":"a\u00e9\"b","method":"m"}`:           of(`"a\u00e9\"b"`),
		` {"method":"m","params":{"id":3},"id":"7"}`: of(`"7"`),
		`{"id":null,"method":"m"}`:                   of("null"),
		`{"method":"notifications/initialized"}`:     of("null"),
		`{"id":4,"result":{}}`:                       of("null"), // an answer waits for none
		`{"id":{"a":1},"method":"m"}`:                of("null"),
		`{"id":[1],"method":"m"}`:                    of("null"),
		`{"id":true,"method":"m"}`:                   of("null"),
		`{"id":` + long + `,"method":"m"}`:           of("null"),
		`{"id":1,"method":"m"`:                       of("null"),
		`no JSON`:                                    of("null"),
		"\x00\xff":                                   of("null"),
		``:                                           of("null"),
		`[{"id":1,"method":"a"},{"method":"n"},{"id":"2","method":"b"}]`: "[" + of("1") + "," + of(`"2"`) + "]",
		`[{"id":1,"method":"a"}]`: "[" + of("1") + "]",
		`[{"method":"n"}]`:        of("null"),
		`[]`:                      of("null"),
		`[1,2]`:                   of("null"),
	} {
		w := write(http.MethodPost, answer, true, body)
		require.Equal(t, want+"\n", w.Body.String(), body)
		require.Equal(t, 503, w.Code)
		require.Equal(t, http.Header{
			"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Vary": {"Origin"}, "Retry-After": {"30"},
			"Content-Length": {fmt.Sprint(len(want) + 1)},
		}, w.Header())
	}
}

func TestOfAHugeBatchOnlyTheFirstAreAnswered(t *testing.T) {
	t.Parallel()
	w := write(http.MethodPost, answer, true, "["+strings.Repeat(`{"id":1,"method":"m"},`, 5000)+`{"id":2,"method":"m"}]`)
	require.Equal(t, 1000, strings.Count(w.Body.String(), `"id":1,`))
	require.NotContains(t, w.Body.String(), `"id":2`)
}

func TestOtherClientsGetAProblem(t *testing.T) {
	t.Parallel()
	a := answer
	a.Status, a.RetryAfter, a.Challenge = http.StatusUnauthorized, 0, `Bearer realm="x"`
	w := write(http.MethodGet, a, false, `{"id":7,"method":"m"}`)
	require.JSONEq(t, `{"type":"urn:authwatch:problem:invalid_token","title":"Unauthorized","status":401,"detail":"the token is \"dead\"","workload":"github"}`, w.Body.String())
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Equal(t, `Bearer realm="x"`, w.Header().Get("WWW-Authenticate"))
	require.NotContains(t, w.Header(), "Retry-After")
	w = write(http.MethodHead, a, false, "")
	require.Empty(t, w.Body.String())
	require.NotEqual(t, "0", w.Header().Get("Content-Length"))
}
