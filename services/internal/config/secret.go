package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "<redacted>"

// maxSecret bounds what is read from a secret file: a path that points at a
// log or a device must not fill the memory.
const maxSecret = 64 << 10

// Secret is a value that prints as <redacted> wherever fmt, slog or an encoder
// meets it. Only [Secret.Reveal] gives it away, and an unexported field printed
// with %+v: fmt calls no methods there.
type Secret string

// Reveal returns the value itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format covers every verb: %x and %#v would go around String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText covers JSON, YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ReadSecret resolves a pair of configuration keys such as password and
// password_file: the value itself, or the content of the file without its
// final line break. Neither of the two is the empty Secret; both, a file that
// cannot be read and an empty file are errors.
func ReadSecret(plain Secret, file string) (Secret, error) {
	if file == "" {
		return plain, nil
	}
	if plain != "" {
		return "", errors.New("given both as a value and as a file; keep one")
	}
	b, err := ReadFile(file, maxSecret)
	if err != nil {
		return "", err
	}
	b = bytes.TrimRight(bytes.TrimPrefix(b, []byte("\uFEFF")), "\r\n")
	if len(b) == 0 {
		return "", fmt.Errorf("%s is empty", file)
	}
	return Secret(b), nil
}
