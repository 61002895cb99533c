package credential

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Config says where a credential comes from, and in which headers it is sent.
// Exactly one of the first five is set, or none where each of Headers has a value
// of its own.
type Config struct {
	BearerTokenFile string  `yaml:"bearer_token_file"`
	BearerTokenEnv  string  `yaml:"bearer_token_env"`
	Exec            *Exec   `yaml:"exec"`
	OAuth2          *OAuth2 `yaml:"oauth2"`
	Basic           *Basic  `yaml:"basic"`

	// Header is what the token is sent in; default Authorization. Prefix is written
	// in front of it; default "Bearer" in Authorization, else nothing.
	Header string  `yaml:"header"`
	Prefix *string `yaml:"prefix"`
	// Headers are sent besides.
	Headers []Header `yaml:"headers"`

	// Expires is when an opaque token ends, where neither it nor its source says so.
	Expires Date `yaml:"expires"`
}

// Basic is a user name and a password (RFC 7617).
type Basic struct {
	Username     string        `yaml:"username"`
	Password     config.Secret `yaml:"password"`
	PasswordFile string        `yaml:"password_file"`
}

// Header is one more header, with a value of its own or, without one, the token.
type Header struct {
	Name      string        `yaml:"name"`
	Prefix    *string       `yaml:"prefix"` // as in [Config]
	Value     config.Secret `yaml:"value"`
	ValueFile string        `yaml:"value_file"`
}

func (h *Header) own() bool { return h.Value != "" || h.ValueFile != "" }

// IsZero reports whether nothing is set.
func (c *Config) IsZero() bool { return reflect.ValueOf(*c).IsZero() }

// FromFile returns c with its token, password or first value from the file
// instead.
func (c Config) FromFile(path string) Config {
	c.Expires = Date{}
	switch {
	case c.Basic != nil:
		c.Basic = &Basic{Username: c.Basic.Username, PasswordFile: path}
	case c.source() == "" && len(c.Headers) > 0:
		c.Headers = slices.Clone(c.Headers)
		c.Headers[0].Value, c.Headers[0].ValueFile = "", path
	default:
		c.BearerTokenFile, c.BearerTokenEnv, c.Exec, c.OAuth2 = path, "", nil, nil
	}
	return c
}

// source is the key of the token's source, "" where every header has a value of
// its own.
func (c *Config) source() string {
	if all := c.sources(); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (c *Config) sources() []string {
	var set []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"bearer_token_file", c.BearerTokenFile != ""},
		{"bearer_token_env", c.BearerTokenEnv != ""},
		{"exec", c.Exec != nil},
		{"oauth2", c.OAuth2 != nil},
		{"basic", c.Basic != nil},
	} {
		if s.set {
			set = append(set, s.name)
		}
	}
	return set
}

// Name is where the credential comes from, for people: "file /run/secrets/github".
func (c *Config) Name() string {
	switch {
	case c.Basic != nil:
		return fileOrValue(c.Basic.PasswordFile)
	case c.source() == "" && len(c.Headers) > 0:
		return fileOrValue(c.Headers[0].ValueFile)
	case c.BearerTokenFile != "":
		return "file " + c.BearerTokenFile
	case c.BearerTokenEnv != "":
		return "env " + c.BearerTokenEnv
	case c.Exec != nil:
		return "exec " + c.Exec.Command[0]
	}
	return "oauth2 " + shownURL(c.OAuth2.TokenURL)
}

func fileOrValue(file string) string {
	if file == "" {
		return "the configuration"
	}
	return "file " + file
}

// Exec is a helper that prints a token: bare, or as JSON with a "token" and
// optionally "expires_at" in RFC 3339.
type Exec struct {
	Command []string        `yaml:"command"` // no shell
	Timeout config.Duration `yaml:"timeout"` // 0: 10s
	// Refresh is how often the helper is run when nothing says when its token
	// expires. 0: 5m.
	Refresh config.Duration `yaml:"refresh"`
}

func (e *Exec) timeout() time.Duration { return cmp.Or(e.Timeout.Std(), 10*time.Second) }
func (e *Exec) refresh() time.Duration { return cmp.Or(e.Refresh.Std(), 5*time.Minute) }

// OAuth2 asks a token endpoint: with a refresh token where there is one, else
// with the client's own credentials (RFC 6749 sections 6 and 4.4).
type OAuth2 struct {
	TokenURL         string        `yaml:"token_url"`
	ClientID         string        `yaml:"client_id"`
	ClientSecret     config.Secret `yaml:"client_secret"`
	ClientSecretFile string        `yaml:"client_secret_file"`
	RefreshToken     config.Secret `yaml:"refresh_token"`
	// RefreshTokenFile is also written: a server that rotates refresh tokens
	// leaves the old one dead.
	RefreshTokenFile string   `yaml:"refresh_token_file"`
	Scopes           []string `yaml:"scopes"`
	Audience         string   `yaml:"audience"`
	Resource         string   `yaml:"resource"` // RFC 8707
	// AuthStyle is how the client proves itself: "header", "body", or empty to
	// try the header first.
	AuthStyle string          `yaml:"auth_style"`
	CAFile    string          `yaml:"ca_file"` // instead of the system's roots
	Timeout   config.Duration `yaml:"timeout"` // 0: 30s
}

const (
	styleHeader = "header"
	styleBody   = "body"
)

func (o *OAuth2) timeout() time.Duration { return cmp.Or(o.Timeout.Std(), 30*time.Second) }

func (o *OAuth2) refreshes() bool { return o.RefreshToken != "" || o.RefreshTokenFile != "" }

// Date is a day, which ends at midnight UTC, or a moment in RFC 3339.
type Date struct{ time.Time }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Date) UnmarshalText(text []byte) error {
	s := string(text)
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		d.Time = t.AddDate(0, 0, 1)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf(`%q is not a date; write it as "2027-01-31" or "2027-01-31T12:00:00Z"`, s)
	}
	d.Time = t
	return nil
}
