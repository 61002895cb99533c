package credential

import (
	"errors"
	"strings"
	"sync"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
)

// secretFile is a secret that is given as a value or in a file, and that may be
// replaced from either side: by a person in the file, or by [secretFile.set].
type secretFile struct {
	plain config.Secret
	path  string

	mu   sync.Mutex
	read config.Secret // what the file held when it was last looked at
	held config.Secret // what replaces it, when that could not be written
}

// get returns the secret to use now.
func (s *secretFile) get() (config.Secret, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, bad := s.content()
	if bad != nil {
		if s.held != "" {
			return s.held, nil
		}
		return "", bad
	}
	if now != s.read {
		s.read, s.held = now, ""
	}
	if s.held != "" {
		return s.held, nil
	}
	return now, nil
}

// changed reports whether the file holds something else than at the last get.
func (s *secretFile) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, bad := s.content()
	return bad == nil && now != s.read
}

// set replaces the secret, in the file too. After an error the new one is held
// in memory.
func (s *secretFile) set(next config.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = next
	if s.path == "" {
		return errors.New("it was given as a value; give it as a file")
	}
	if err := datadir.Replace(s.path, []byte(next.Reveal()+"\n")); err != nil {
		return err
	}
	s.read = next
	return nil
}

func (s *secretFile) content() (config.Secret, *failure) {
	if s.path == "" {
		return s.plain, nil
	}
	raw, bad := readFile(s.path)
	if bad != nil {
		return "", bad
	}
	secret := strings.TrimRight(strings.TrimPrefix(raw, "\uFEFF"), "\r\n")
	if secret == "" {
		return "", &failure{problem: events.ProblemEmpty, detail: "it is empty"}
	}
	return config.Secret(secret), nil
}
