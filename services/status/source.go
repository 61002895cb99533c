package status

import (
	"strings"

	"github.com/authwatch/authwatch/events"
)

// source is where a credential comes from, taken apart from the text in the
// event: "file /run/secrets/github", "env GITHUB_TOKEN", "exec /bin/helper",
// "oauth2 https://example.com/token".
type source struct{ kind, name string }

const (
	kindFile   = "file"
	kindEnv    = "env"
	kindExec   = "exec"
	kindOAuth2 = "oauth2"
)

func sourceOf(c *events.Credential) source {
	if c == nil {
		return source{}
	}
	kind, name, _ := strings.Cut(plain(c.Source), " ")
	switch kind {
	case kindFile, kindEnv, kindExec, kindOAuth2:
		return source{kind, name}
	}
	return source{name: plain(c.Source)}
}

// place names the source in a sentence.
func (s source) place() string {
	switch s.kind {
	case kindFile:
		return s.name
	case kindEnv:
		return "the environment variable " + s.name
	case kindExec:
		return "the helper " + s.name
	case kindOAuth2:
		return "the token endpoint " + s.name
	}
	if s.name == "" {
		return "its source"
	}
	return s.name
}

// token names what the source gave.
func (s source) token() string {
	switch {
	case s.kind == kindExec || s.kind == kindOAuth2:
		return "the token from " + s.place()
	case s.kind == "" && s.name == "":
		return "the token"
	}
	return "the token in " + s.place()
}

func (s source) isAbsent() string {
	if s.kind == kindEnv {
		return "is not set"
	}
	return "does not exist"
}

// replace says how to put a good token in the place of a rejected one.
func (s source) replace() string {
	switch s.kind {
	case kindFile:
		return "Put a new token there; it is picked up at once, no restart."
	case kindEnv:
		return "Set it to a new token and restart the proxy: a process does not see its environment change."
	case kindExec:
		return "See that the helper hands out a token that works; it is asked again by itself, no restart."
	case kindOAuth2:
		return "See what the authorization server says of this client, its grant and its scopes; a new token is fetched by itself, no restart."
	}
	return "Put a new token where the proxy reads it."
}

// renew says what to do before a token expires.
func (s source) renew() string {
	switch s.kind {
	case kindFile:
		return "Put a new token there before that; it is picked up at once, no restart."
	case kindEnv:
		return "Set it to a new token before that and restart the proxy."
	case kindExec, kindOAuth2:
		return "A new one is fetched by itself; if it is not, look at " + s.place() + "."
	}
	return "Put a new token where the proxy reads it before that."
}

// provide says how to supply a first token.
func (s source) provide(what string) string {
	switch s.kind {
	case kindFile:
		return "Put " + what + " there; it is picked up at once, no restart."
	case kindEnv:
		return "Set it to " + strings.TrimSuffix(what, ",") + " and restart the proxy."
	case kindExec:
		return "Make the helper print it; it is asked again by itself, no restart."
	case kindOAuth2:
		return "See what the authorization server answers this client; it is asked again by itself, no restart."
	}
	return "Put " + what + " where the proxy reads it."
}

// allow says what to do about a source that cannot be read.
func (s source) allow() string {
	switch s.kind {
	case kindFile:
		return "Let the user that runs the proxy read it; it is picked up at once, no restart."
	case kindExec:
		return "Let the user that runs the proxy execute it; it is tried again by itself, no restart."
	}
	return "It is tried again by itself, no restart."
}

// authorize says what to do about a refusal for good.
func (s source) authorize() string {
	switch s.kind {
	case kindExec:
		return "Log the helper in again; it is asked again by itself, no restart."
	case kindOAuth2:
		return "Authorize the client again: it needs a new secret or refresh token in the proxy's configuration."
	}
	return "Put a new token where the proxy reads it."
}

// repair says what to do about a failure that may pass.
func (s source) repair() string {
	switch s.kind {
	case kindExec:
		return "Run the helper by hand, as the proxy's user, to see why; it is tried again by itself, no restart."
	case kindOAuth2:
		return "See that the proxy can reach it; it is tried again by itself, no restart."
	}
	return "It is tried again by itself, no restart."
}
