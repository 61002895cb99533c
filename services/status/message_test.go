package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestMessageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const (
		file   = "file /run/secrets/github"
		env    = "env GITHUB_TOKEN"
		exec   = "exec /usr/bin/mint"
		oauth2 = "oauth2 https://id.example.com/token"
	)
	expired := challenge(events.Challenge{Scheme: "Bearer", Error: "invalid_token", ErrorDescription: "The access token expired."})
	bare := func(o *Observation) { o.Data.Response = &events.Response{Status: 401} }
	basic := challenge(events.Challenge{Scheme: "Basic", Realm: "staff"})
	problem := func(p, detail string) func(*Observation) {
		return func(o *Observation) { o.Data.Problem, o.Data.Detail = p, detail }
	}
	ends := func(o *Observation) {
		at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		o.Data.Credential.ExpiresAt = &at
	}
	for _, c := range []struct {
		typ, source string
		change      func(*Observation)
		reason      string
		want        string
	}{
		{events.TypeUnauthorized, file, expired, "invalid_token", "the upstream rejected the token in /run/secrets/github (invalid_token: \"The access token expired\"). Put a new token there; it is picked up at once, no restart."},
		{events.TypeUnauthorized, env, expired, "invalid_token", "the upstream rejected the token in the environment variable GITHUB_TOKEN (invalid_token: \"The access token expired\"). Set it to a new token and restart the proxy: a running process does not see the change."},
		{events.TypeUnauthorized, exec, expired, "invalid_token", "the upstream rejected the token from the helper /usr/bin/mint (invalid_token: \"The access token expired\"). Make the helper print a token that works; the proxy runs it again by itself, no restart."},
		{events.TypeUnauthorized, oauth2, expired, "invalid_token", "the upstream rejected the token from the token endpoint https://id.example.com/token (invalid_token: \"The access token expired\"). Check this client, its grant and its scopes at the authorization server; the proxy fetches a new token by itself, no restart."},
		{events.TypeUnauthorized, "vault kv/github", expired, "invalid_token", "the upstream rejected the token in vault kv/github (invalid_token: \"The access token expired\"). Put a new token where the proxy reads it."},
		{events.TypeUnauthorized, "", expired, "invalid_token", "the upstream rejected the token (invalid_token: \"The access token expired\"). Put a new token where the proxy reads it."},
		{events.TypeUnauthorized, file, bare, "bare_401", "the upstream answered 401 to the token in /run/secrets/github and did not say why. Most often it has expired or was revoked. Put a new token there; it is picked up at once, no restart."},
		{events.TypeUnauthorized, file, challenge(events.Challenge{Scheme: "bearer", Realm: "x"}), "bare_401", "the upstream answered 401 to the token in /run/secrets/github and did not say why. Most often it has expired or was revoked. Put a new token there; it is picked up at once, no restart."},
		{events.TypeUnauthorized, file, basic, "other_scheme", "the upstream answered 401 to the token in /run/secrets/github and asks for Basic authentication, which this is not. Check the upstream's URL and which kind of credential it accepts."},
		{events.TypeMissing, file, problem(events.ProblemNotFound, "no such file"), "not_found", "there is no token: /run/secrets/github does not exist. Put a token there; it is picked up at once, no restart."},
		{events.TypeMissing, env, problem(events.ProblemNotFound, ""), "not_found", "there is no token: the environment variable GITHUB_TOKEN is not set. Set it to a token and restart the proxy."},
		{events.TypeMissing, file, problem(events.ProblemEmpty, ""), "empty", "there is no token: /run/secrets/github is empty. Put a token there; it is picked up at once, no restart."},
		{events.TypeMissing, file, problem(events.ProblemMalformed, "it is the literal ${TOKEN}"), "malformed", "/run/secrets/github holds no usable token: it is the literal ${TOKEN}. Put only the token there; it is picked up at once, no restart."},
		{events.TypeMissing, env, problem(events.ProblemMalformed, ""), "malformed", "the environment variable GITHUB_TOKEN holds no usable token. Set it to the token alone and restart the proxy."},
		{events.TypeMissing, file, problem(events.ProblemUnread, "permission denied"), "unreadable", "/run/secrets/github cannot be read: permission denied. Let the proxy's user read it; it is picked up at once, no restart."},
		{events.TypeMissing, exec, problem(events.ProblemFailed, "exit status 3"), "failed", "the helper /usr/bin/mint failed to give a token: exit status 3. Run the helper by hand as the proxy's user to see why; the proxy tries again by itself, no restart."},
		{events.TypeMissing, exec, problem(events.ProblemRefused, "login expired"), "refused", "the helper /usr/bin/mint refused to give a token: login expired. Log the helper in again; the proxy runs it again by itself, no restart."},
		{events.TypeMissing, oauth2, problem(events.ProblemRefused, "invalid_grant"), "refused", "the token endpoint https://id.example.com/token refused to give a token: invalid_grant. Authorize the client again: it needs a new secret or refresh token."},
		{events.TypeMissing, oauth2, problem(events.ProblemFailed, "502"), "failed", "the token endpoint https://id.example.com/token failed to give a token: 502. Check that the proxy can reach it; the proxy tries again by itself, no restart."},
		{events.TypeMissing, file, problem("", ""), "missing", "there is no usable token from /run/secrets/github. Put a token there; it is picked up at once, no restart."},
		{events.TypeExpiring, file, ends, "expires_soon", "the token in /run/secrets/github expires at 2026-11-30 12:00 UTC. Put a new token there before that; it is picked up at once, no restart."},
		{events.TypeExpiring, env, ends, "expires_soon", "the token in the environment variable GITHUB_TOKEN expires at 2026-11-30 12:00 UTC. Set it to a new token before that and restart the proxy."},
		{events.TypeExpiring, oauth2, ends, "expires_soon", "the token from the token endpoint https://id.example.com/token expires at 2026-11-30 12:00 UTC. The proxy fetches a new one by itself. If it does not, check the token endpoint."},
		{events.TypeLoaded, file, ends, "", "the token in /run/secrets/github was loaded. The upstream has not answered a request with it yet."},
		{events.TypeAuthorized, file, ends, "", "the upstream accepts the token in /run/secrets/github."},
	} {
		o := newHistory().add(c.typ, "t1", func(o *Observation) { o.Data.Credential.Source = c.source }, c.change)
		r := fold(events.Record{}, o)
		require.Equal(t, c.reason, r.Reason)
		require.Equal(t, "github: "+c.want, r.Message)
	}
}

func TestAReasonIsACodeInLowerCaseOrNone(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"Invalid_Token":       "invalid_token",
		"token expired":       "bare_401",
		"invalid\u202e_token": "bare_401",
	} {
		r := fold(events.Record{}, newHistory().add(events.TypeUnauthorized, "t1", challenge(events.Challenge{Scheme: "Bearer", Error: said})))
		require.Equal(t, want, r.Reason, "%q", said)
	}
}

func TestHostileTextIsBoundedAndPlain(t *testing.T) {
	t.Parallel()
	long := ""
	for range 1000 {
		long += "long "
	}
	h := newHistory()
	r := fold(events.Record{}, h.add(events.TypeUnauthorized, "t1", challenge(events.Challenge{
		Scheme: "Bearer", Error: "weird\x00 \"error\" " + long, ErrorDescription: long,
	})))
	require.Equal(t, "bare_401", r.Reason)
	require.Less(t, len(r.Message), 600)
}
