package credential

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact"
)

// Snapshot is the credential at one moment. It is never changed after it was
// published; compare Generation to see whether two are of the same value.
type Snapshot struct {
	// Token is the secret itself: a token, a password, or the first of several
	// values. Send [Snapshot.Header], not this.
	Token config.Secret
	// Generation counts the values: 1 is the first. A snapshot without a usable
	// token has generation 0, so an answer that comes late, to a token that is
	// given up, never matches the current snapshot. Compare with ==.
	Generation  uint64
	Fingerprint string    // see [Fingerprint]; empty without a token
	Source      string    // "file /run/secrets/github"
	Scheme      string    // that it is sent with, see [events.Credential]
	LoadedAt    time.Time // when this value was first read
	ExpiresAt   time.Time // zero: unknown

	// Problem is one of the Problem constants of package events when no token is
	// usable, and Detail says in words what is wrong.
	Problem, Detail string
	// Stale says what is wrong with the source while an earlier value stays in use.
	Stale string

	learned bool // ExpiresAt, from the upstream
	header  http.Header
	secrets *redact.Filter
}

// Secrets are what has to be taken out of text that the other side wrote: the
// token, and those that the source had before.
func (s *Snapshot) Secrets() *redact.Filter {
	if s.secrets == nil {
		return redact.New(s.Token) // a literal, not from a Source
	}
	return s.secrets
}

// learns reports whether s is of the generation and its end not known better.
func (s *Snapshot) learns(generation uint64, expires time.Time) bool {
	return s.Usable() && s.Generation == generation && !s.ExpiresAt.Equal(expires) && (s.ExpiresAt.IsZero() || s.learned)
}

// Usable reports whether there is a token to attach.
func (s *Snapshot) Usable() bool { return s.Problem == "" && s.Token != "" }

// Header is what is sent, nil without a usable token. It is shared: do not
// change it.
func (s *Snapshot) Header() http.Header {
	if s.header == nil && s.Usable() {
		return http.Header{authorization: {bearer + " " + s.Token.Reveal()}} // a literal, not from a Source
	}
	return s.header
}

// String names the snapshot without its token.
func (s Snapshot) String() string {
	switch {
	case s.Problem != "":
		return fmt.Sprintf("%s: %s", s.Source, s.Problem)
	case s.Token == "":
		return s.Source + ": not read yet"
	}
	return fmt.Sprintf("%s: token %s", s.Source, s.Fingerprint)
}

// Format covers every verb: %+v would print the fields.
func (s Snapshot) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Snapshot) LogValue() slog.Value { return slog.StringValue(s.String()) }
