package credential

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

func TestACredentialSectionIsReadWhole(t *testing.T) {
	t.Parallel()
	var section struct {
		A Config `yaml:"a"`
		B Config `yaml:"b"`
		C Config `yaml:"c"`
	}
	_, err := config.Parse("x.yaml", []byte(`
a: {bearer_token_file: /run/secrets/github, expires: 2027-01-31}
b: {exec: {command: [op, read, "op://x"], timeout: 20s, refresh: 1h}, expires: "2027-01-31T12:00:00+01:00"}
c:
  oauth2:
    token_url: https://login.example.com/token
    client_id: me
    client_secret_file: /run/secrets/me
    refresh_token_file: /var/lib/x/refresh
    scopes: [a, b]
    audience: https://api.example.com
    resource: https://api.example.com/mcp
    auth_style: body
    ca_file: /etc/ca.pem
    timeout: 5s
`), &section)
	require.NoError(t, err)
	require.Equal(t, "/run/secrets/github", section.A.BearerTokenFile)
	require.Equal(t, time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), section.A.Expires.Time)
	require.Equal(t, []string{"op", "read", "op://x"}, section.B.Exec.Command)
	require.Equal(t, 20*time.Second, section.B.Exec.timeout())
	require.Equal(t, time.Hour, section.B.Exec.refresh())
	require.True(t, section.B.Expires.Equal(time.Date(2027, 1, 31, 11, 0, 0, 0, time.UTC)))
	require.Equal(t, []string{"a", "b"}, section.C.OAuth2.Scopes)
	require.Equal(t, 5*time.Second, section.C.OAuth2.timeout())
	for _, c := range []Config{section.A, section.B, section.C} {
		require.Empty(t, c.Validate())
	}

	_, err = config.Parse("x.yaml", []byte("a: {bearer_token_file: /x, expires: soon}"), &section)
	require.ErrorContains(t, err, `x.yaml:1: a.expires: "soon" is not a date; write it as "2027-01-31"`)
}

func TestAWrongCredentialSectionIsExplained(t *testing.T) {
	t.Parallel()
	full := func(change func(*OAuth2)) Config {
		o := &OAuth2{TokenURL: "https://x.example/token", ClientID: "me", ClientSecretFile: "/s"}
		change(o)
		return Config{OAuth2: o}
	}
	for name, c := range map[string]struct {
		config     Config
		path, text string
	}{
		"none":                {Config{}, "", "does not say where the token is"},
		"two":                 {Config{BearerTokenFile: "/x", BearerTokenEnv: "X"}, "bearer_token_env", "bearer_token_file is already set"},
		"a variable's value":  {Config{BearerTokenEnv: "$TOKEN"}, "bearer_token_env", "name of a variable"},
		"no command":          {Config{Exec: &Exec{}}, "exec.command", "is empty"},
		"an empty command":    {Config{Exec: &Exec{Command: []string{""}}}, "exec.command", "is empty"},
		"negative timeout":    {Config{Exec: &Exec{Command: []string{"x"}, Timeout: -1}}, "exec.timeout", "negative"},
		"negative refresh":    {Config{Exec: &Exec{Command: []string{"x"}, Refresh: -1}}, "exec.refresh", "negative"},
		"no token_url":        {full(func(o *OAuth2) { o.TokenURL = "" }), "oauth2.token_url", "required"},
		"no URL":              {full(func(o *OAuth2) { o.TokenURL = "login.example" }), "oauth2.token_url", "is not a URL"},
		"a password in it":    {full(func(o *OAuth2) { o.TokenURL = "https://a:b@x.example" }), "oauth2.token_url", "user name or password"},
		"no client":           {full(func(o *OAuth2) { o.ClientID = "" }), "oauth2.client_id", "required"},
		"nothing to ask with": {full(func(o *OAuth2) { o.ClientSecretFile = "" }), "oauth2.client_secret_file", "is required, or refresh_token_file"},
		"two secrets":         {full(func(o *OAuth2) { o.ClientSecret = "x" }), "oauth2.client_secret", "both"},
		"two refresh tokens":  {full(func(o *OAuth2) { o.RefreshToken, o.RefreshTokenFile = "x", "/y" }), "oauth2.refresh_token", "both"},
		"an unknown style":    {full(func(o *OAuth2) { o.AuthStyle = "jwt" }), "oauth2.auth_style", "neither"},
		"oauth2 timeout":      {full(func(o *OAuth2) { o.Timeout = -1 }), "oauth2.timeout", "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := c.config.Validate()
			require.Len(t, problems, 1)
			require.Equal(t, c.path, problems[0].Path)
			require.Contains(t, problems[0].Text, c.text)
			_, err := New(c.config, slog.New(slog.DiscardHandler))
			require.Error(t, err)
		})
	}
	ok := full(func(o *OAuth2) { o.ClientSecretFile, o.RefreshTokenFile = "", "/r" })
	require.Empty(t, ok.Validate(), "a public client has no secret")
}
