package credential

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
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
	if err := replaceFile(s.path, next.Reveal()+"\n"); err != nil {
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

// replaceFile puts content in the place of the file at path: after a crash at
// any moment there is the old or the new one, whole.
func replaceFile(path, content string) error {
	// A link stays, and its target is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".authwatch-*")
	if err != nil {
		return withoutPath(err)
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return withoutPath(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return withoutPath(err)
	}
	defer d.Close()
	return d.Sync()
}

// withoutPath leaves the name of the temporary file out of an error.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", le.Op, le.Err)
	}
	return err
}
