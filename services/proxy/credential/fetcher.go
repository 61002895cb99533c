package credential

import (
	"context"
	"log/slog"
	"time"
)

// fetcher is where tokens come from.
type fetcher interface {
	// read returns the token that is there now.
	read(ctx context.Context) (reading, *failure)
	// changed reports whether reading again may give something else for a reason
	// other than time.
	changed() bool
}

type reading struct {
	token   string
	expires time.Time // as the source says; zero: it does not

	attached attached
}

// failure is why there is no token.
type failure struct {
	problem   string        // a Problem constant of package events
	detail    string        // in our words; never repeats what was read
	said      string        // what the other side said about it, as it came
	permanent bool          // asking again does not help until somebody acts
	after     time.Duration // how long not to ask again, as the other side wishes
}

// same reports whether there is nothing new in f for a person.
func (f *failure) same(other *failure) bool {
	return f != nil && other != nil && f.problem == other.problem && f.detail == other.detail
}

// kind is how a source is kept up to date.
type kind struct {
	name  string   // "file /run/secrets/github"
	files []string // watched
	// renews: tokens are fetched, and fetched anew before they expire.
	renews bool
	// every is how often a renewing source is asked whose token has no known end;
	// 0: only after a rejection.
	every time.Duration
	// settle is how long a failure has to last before it is believed: a file is
	// empty for a moment when it is written.
	settle time.Duration
}

func newFetcher(c *Config, log *slog.Logger) (fetcher, kind, error) {
	k := kind{name: c.Name()}
	switch {
	case c.BearerTokenFile != "":
		k.files, k.settle = []string{c.BearerTokenFile}, settle
		return file(c.BearerTokenFile), k, nil
	case c.BearerTokenEnv != "":
		return env(c.BearerTokenEnv), k, nil
	case c.Basic != nil:
		if c.Basic.PasswordFile != "" {
			k.files = []string{c.Basic.PasswordFile}
		}
		k.settle = settle
		return value{&secretFile{plain: c.Basic.Password, path: c.Basic.PasswordFile}}, k, nil
	case c.source() == "":
		k.settle = settle
		return nothing{}, k, nil
	case c.Exec != nil:
		k.renews, k.every = true, c.Exec.refresh()
		return &helper{command: c.Exec.Command, timeout: c.Exec.timeout()}, k, nil
	}
	e, err := newEndpoint(c.OAuth2, log)
	if err != nil {
		return nil, kind{}, err
	}
	k.renews, k.files = true, e.files()
	return e, k, nil
}
