package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// temporary is how the names of files begin that are not finished.
const temporary = ".authwatch-"

// Replace puts content in the place of the file at path, with the mode that the
// file had, or 0600. A link stays, and its target is replaced. When it returns
// nil the content outlives a crash of the machine.
func Replace(path string, content []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary+filepath.Base(path)+"-*")
	if err != nil {
		return withoutPath(err)
	}
	_, err = f.Write(content)
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

func removeTemporary(pattern string) error {
	left, err := filepath.Glob(pattern)
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// withoutPath leaves the name of the temporary file out of an error: it differs
// each time.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", le.Op, le.Err)
	}
	return err
}
