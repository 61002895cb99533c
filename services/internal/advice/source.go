package advice

import "github.com/authwatch/authwatch/events"

// place names the source in a sentence.
func place(s events.Source) string {
	name := plain(s.Name)
	switch s.Kind {
	case events.SourceEnv:
		return "the environment variable " + name
	case events.SourceExec:
		return "the helper " + name
	case events.SourceOAuth2:
		return "the token endpoint " + name
	}
	if name == "" {
		return "its source"
	}
	return name
}

// token names the token that the source gave.
func token(s events.Source) string {
	switch {
	case s.Kind == events.SourceExec || s.Kind == events.SourceOAuth2:
		return "the token from " + place(s)
	case s.Name == "":
		return "the token"
	}
	return "the token in " + place(s)
}

// A remedy is what to do about one kind of source.
type remedy struct {
	replace   string // its token was rejected
	renew     string // its token expires
	create    string // it does not exist
	provide   string // it has no token
	correct   string // it holds something else than a token
	allow     string // it cannot be read
	authorize string // it refused for good
	repair    string // it failed, and may work the next time
}

var remedies = map[events.SourceKind]remedy{
	events.SourceFile: {
		replace:   "Put a new token there; it is picked up at once, no restart.",
		renew:     "Put a new token there before that; it is picked up at once, no restart.",
		create:    "Put a token there; it is picked up at once, no restart.",
		provide:   "Put a token there; it is picked up at once, no restart.",
		correct:   "Put only the token there; it is picked up at once, no restart.",
		allow:     "Let the proxy's user read it; it is picked up at once, no restart.",
		authorize: "Put a new token there; it is picked up at once, no restart.",
		repair:    "The proxy tries again by itself, no restart.",
	},
	events.SourceEnv: {
		replace:   "Set it to a new token and restart the proxy: a running process does not see the change.",
		renew:     "Set it to a new token before that and restart the proxy.",
		create:    "Set it to a token and restart the proxy.",
		provide:   "Set it to a token and restart the proxy.",
		correct:   "Set it to the token alone and restart the proxy.",
		allow:     "Set it to a token and restart the proxy.",
		authorize: "Set it to a new token and restart the proxy.",
		repair:    "Set it to a token and restart the proxy.",
	},
	events.SourceExec: {
		replace:   "Make the helper print a token that works; the proxy runs it again by itself, no restart.",
		renew:     "The proxy runs the helper again by itself. If the token stays the same, check the helper.",
		create:    "Install the helper or correct its path; the proxy tries again by itself, no restart.",
		provide:   "Make the helper print a token; the proxy runs it again by itself, no restart.",
		correct:   "Make the helper print only the token; the proxy runs it again by itself, no restart.",
		allow:     "Let the proxy's user execute it; the proxy tries again by itself, no restart.",
		authorize: "Log the helper in again; the proxy runs it again by itself, no restart.",
		repair:    "Run the helper by hand as the proxy's user to see why; the proxy tries again by itself, no restart.",
	},
	events.SourceOAuth2: {
		replace:   "Check this client, its grant and its scopes at the authorization server; the proxy fetches a new token by itself, no restart.",
		renew:     "The proxy fetches a new one by itself. If it does not, check the token endpoint.",
		create:    "Put the client's secret or refresh token there; it is picked up at once, no restart.",
		provide:   "Put the client's secret or refresh token there; it is picked up at once, no restart.",
		correct:   "Check what the authorization server answers this client; the proxy asks again by itself, no restart.",
		allow:     "Let the proxy's user read the client's secrets; the proxy tries again by itself, no restart.",
		authorize: "Authorize the client again: it needs a new secret or refresh token.",
		repair:    "Check that the proxy can reach it; the proxy tries again by itself, no restart.",
	},
	"": {
		replace:   "Put a new token where the proxy reads it.",
		renew:     "Put a new token where the proxy reads it before that.",
		create:    "Put a token where the proxy reads it.",
		provide:   "Put a token where the proxy reads it.",
		correct:   "Put only the token where the proxy reads it.",
		allow:     "Let the proxy's user read it.",
		authorize: "Put a new token where the proxy reads it.",
		repair:    "The proxy tries again by itself, no restart.",
	},
}
