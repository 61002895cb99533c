package credential

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Validate returns what is wrong, with paths relative to the credential section.
// It reads no credential: a bad one stops nothing.
func (c *Config) Validate() []config.Problem {
	var p []config.Problem
	switch set := c.sources(); {
	case len(set) == 0 && len(c.Headers) == 0:
		p = append(p, problem("", "does not say where the token is: give bearer_token_file, bearer_token_env, exec, oauth2, basic or headers with values"))
	case len(set) > 1:
		p = append(p, problem(set[1], "a token has one source, and %s is already set", set[0]))
	}
	if strings.ContainsAny(c.BearerTokenEnv, "=$ ") {
		p = append(p, problem("bearer_token_env", "is the name of a variable, as GITHUB_TOKEN, without $ and value"))
	}
	if c.Exec != nil {
		p = append(p, c.Exec.validate()...)
	}
	if c.OAuth2 != nil {
		p = append(p, c.OAuth2.validate()...)
	}
	return append(p, c.validateHeaders()...)
}

func (e *Exec) validate() []config.Problem {
	var p []config.Problem
	if len(e.Command) == 0 || e.Command[0] == "" {
		p = append(p, problem("exec.command", `is empty; give the program and its arguments as a list: ["/usr/local/bin/token", "--for", "github"]`))
	}
	if e.Timeout < 0 {
		p = append(p, problem("exec.timeout", "%s is negative", e.Timeout))
	}
	if e.Refresh < 0 {
		p = append(p, problem("exec.refresh", "%s is negative", e.Refresh))
	}
	return p
}

func (o *OAuth2) validate() []config.Problem {
	var p []config.Problem
	wrong := func(key, format string, args ...any) { p = append(p, problem("oauth2."+key, format, args...)) }
	u, err := url.Parse(o.TokenURL)
	switch {
	case o.TokenURL == "":
		wrong("token_url", "is required")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		wrong("token_url", `is not a URL; write it as "https://login.example.com/token"`)
	case u.User != nil:
		wrong("token_url", "contains a user name or password; use client_id and client_secret_file")
	}
	if o.ClientID == "" {
		wrong("client_id", "is required")
	}
	switch {
	case o.ClientSecret != "" && o.ClientSecretFile != "":
		wrong("client_secret", "is given both as a value and as a file; keep one")
	case o.ClientSecret == "" && o.ClientSecretFile == "" && !o.refreshes():
		wrong("client_secret_file", "is required, or refresh_token_file: without either there is nothing to ask for a token with")
	}
	if o.RefreshToken != "" && o.RefreshTokenFile != "" {
		wrong("refresh_token", "is given both as a value and as a file; keep one")
	}
	switch o.AuthStyle {
	case "", styleHeader, styleBody:
	default:
		wrong("auth_style", `%q is neither "header" nor "body"`, o.AuthStyle)
	}
	if o.Timeout < 0 {
		wrong("timeout", "%s is negative", o.Timeout)
	}
	return p
}

func problem(path, format string, args ...any) config.Problem {
	return config.Problem{Path: path, Text: fmt.Sprintf(format, args...)}
}
