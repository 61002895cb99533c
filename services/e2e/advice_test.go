package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

// refuser answers as an upstream that rejects every token, and as a token
// endpoint that gives none.
func refuser(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/invalid":
		w.Header().Set("WWW-Authenticate", `Bearer error="Invalid_Token", error_description="The access token expired."`)
	case "/sentence":
		w.Header().Set("WWW-Authenticate", `Bearer error="token expired"`)
	case "/basic":
		w.Header().Set("WWW-Authenticate", `Basic realm="staff"`)
	case "/token/refused":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"revoked"}`))
		return
	case "/token/failed":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "/token/good":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"` + firstToken + `","token_type":"Bearer"}`))
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func TestAClientIsToldWhatTheRecordSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remote := httptest.NewServer(http.HandlerFunc(refuser))
	t.Cleanup(remote.Close)
	empty, malformed := filepath.Join(w.dir, "empty"), filepath.Join(w.dir, "malformed")
	write(t, empty, "\n")
	write(t, malformed, "${TOKEN}\n")
	oauth2 := func(path string) string {
		return fmt.Sprintf(`oauth2: {token_url: "%s/token/%s", client_id: a, client_secret: b}`, remote.URL, path)
	}
	var config strings.Builder
	reasons := map[string]string{}
	for i, c := range []struct{ credential, path, reason string }{
		{"bearer_token_file: " + w.tokenFile, "invalid", "invalid_token"},
		{"bearer_token_file: " + w.tokenFile, "sentence", "bare_401"},
		{"bearer_token_file: " + w.tokenFile, "bare", "bare_401"},
		{"bearer_token_file: " + w.tokenFile, "basic", "other_scheme"},
		{"bearer_token_file: " + w.tokenFile + ".gone", "invalid", "not_found"},
		{"bearer_token_file: " + empty, "invalid", "empty"},
		{"bearer_token_file: " + malformed, "invalid", "malformed"},
		{"bearer_token_file: " + w.dir, "invalid", "unreadable"},
		{"bearer_token_env: HOME", "invalid", "invalid_token"},
		{"bearer_token_env: AUTHWATCH_TEST_UNSET", "invalid", "not_found"},
		{"exec: {command: [/bin/echo, helper-token]}", "invalid", "invalid_token"},
		{"exec: {command: [/bin/echo, two words]}", "invalid", "malformed"},
		{"exec: {command: [/bin/true]}", "invalid", "empty"},
		{"exec: {command: [/bin/false]}", "invalid", "failed"},
		{"exec: {command: [/nowhere/helper]}", "invalid", "not_found"},
		{oauth2("good"), "invalid", "invalid_token"},
		{oauth2("refused"), "invalid", "refused"},
		{oauth2("failed"), "invalid", "failed"},
		{strings.Replace(oauth2("good"), "client_secret: b", "client_secret_file: "+w.tokenFile+".gone", 1), "invalid", "not_found"},
	} {
		name := fmt.Sprintf("w%d", i)
		reasons[name] = c.reason
		fmt.Fprintf(&config, "    - {name: %s, kind: mcp, upstream: %q, credential: {%s}}\n", name, remote.URL+"/"+c.path, c.credential)
	}
	file := filepath.Join(w.dir, "authwatch.yaml")
	write(t, file, "nats: {}\ndata_dir: "+w.dir+"/data\nproxy:\n  listen: "+w.proxy+"\n  admin_listen: "+w.proxyAdmin+"\n  workloads:\n"+
		config.String()+"status: {listen: "+w.status+", admin_listen: "+w.statusAdmin+"}\nnotifier: {admin_listen: "+w.notifierAdmin+"}\n")
	p := start(t, "authwatch", "run", "-c", file)
	p.ready(t, w.proxyAdmin)
	for name, reason := range reasons {
		var told rpcAnswer
		eventually(t, "the proxy knows what is wrong with the credential of "+name, func() bool {
			told = callRPC(t, "http://"+w.proxy+"/"+name)
			return told.Error.Data.Reason == reason
		})
		var r events.Record
		eventually(t, name+" has a record", func() bool {
			r = w.recordOf(t, name)
			return r.Status.Bad()
		})
		require.Equal(t, r.Message, told.Error.Message)
		require.Equal(t, r.Reason, told.Error.Data.Reason)
		if strings.Contains(r.Message, "environment variable") {
			require.NotContains(t, told.Error.Message, "no restart")
		}
	}
}

type rpcAnswer struct {
	Error struct {
		Message string `json:"message"`
		Data    struct {
			Reason string `json:"reason"`
		} `json:"data"`
	} `json:"error"`
}

func callRPC(t *testing.T, url string) rpcAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	var a rpcAnswer
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&a))
	return a
}
