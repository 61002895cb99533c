package guard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/filewatch"
)

// maxTokenFile bounds the file of client tokens.
const maxTokenFile = 1 << 20

// minToken keeps words that can be guessed out of the file.
const minToken = 16

// Tokens are the bearer tokens that clients may show, one a line of a file.
// Empty lines and lines that start with # are skipped.
type Tokens struct {
	File string
	set  atomic.Pointer[tokenSet]
}

type tokenSet struct {
	raw    [sha256.Size]byte
	hashes [][sha256.Size]byte
}

// NewTokens reads the file. Without a readable one nobody could get in, so that
// is an error at start; later, the tokens read last stay good.
func NewTokens(file string) (*Tokens, error) {
	t := &Tokens{File: file}
	if _, err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Run follows the file until ctx ends.
func (t *Tokens) Run(ctx context.Context, log *slog.Logger) {
	file := filewatch.Start(log, filewatch.Settle, t.File)
	defer file.Close()
	failing := ""
	for {
		changed, err := t.Reload()
		switch {
		case err == nil:
			failing = ""
		case err.Error() != failing:
			failing = err.Error()
			log.Error("client tokens cannot be read; those read last stay good", "err", err)
		}
		if changed {
			log.Info("client tokens changed", "file", t.File)
		}
		select {
		case <-ctx.Done():
			return
		case <-file.Changed:
		}
	}
}

// Reload reads the file again and reports whether the tokens changed.
func (t *Tokens) Reload() (changed bool, err error) {
	text, err := config.ReadFile(t.File, maxTokenFile)
	if err != nil {
		return false, err
	}
	set, err := parseTokens(text)
	if err != nil {
		return false, fmt.Errorf("%s: %w", t.File, err)
	}
	if old := t.set.Load(); old != nil && old.raw == set.raw {
		return false, nil
	}
	t.set.Store(set)
	return true, nil
}

func parseTokens(text []byte) (*tokenSet, error) {
	set := &tokenSet{raw: sha256.Sum256(text)}
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\uFEFF"))) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(line) < minToken {
			return nil, fmt.Errorf("line %d: a client token has at least %d characters", n, minToken)
		}
		if bytes.ContainsAny(line, " \t") {
			return nil, fmt.Errorf("line %d: one token a line, without spaces and without \"Bearer\"", n)
		}
		set.hashes = append(set.hashes, sha256.Sum256(line))
	}
	if len(set.hashes) == 0 {
		return nil, errors.New("contains no token")
	}
	return set, nil
}

// Allow reports whether h carries one of the tokens. Every token is compared,
// in constant time, whatever the earlier ones said.
func (t *Tokens) Allow(h http.Header, passthrough bool) bool {
	name := "Authorization"
	if passthrough {
		name = "Proxy-Authorization"
	}
	values := h[name]
	if len(values) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := 0
	for _, h := range t.set.Load().hashes {
		found |= subtle.ConstantTimeCompare(sum[:], h[:])
	}
	return found == 1
}
