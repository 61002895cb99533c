// Package datadir keeps files that a process owns: one process a folder, and
// after a crash the old or the new content, never a part of one.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another process has the folder.
var ErrInUse = errors.New("another process holds it; give each its own data_dir")

// Lock makes dir, with what is above it, and makes it this process's own until
// the returned file is closed or the process ends, however it ends. What an
// earlier owner was writing when it crashed is removed.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err == nil {
		err = removeTemporary(filepath.Join(dir, temporary+"*"))
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return f, nil
}

// LockFile makes the file at path this caller's own to use and to [Replace] until
// the returned file is closed. Another caller, in any process, gets [ErrInUse]. What a
// crash left of an earlier Replace is removed.
func LockFile(path string) (*os.File, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(target, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || err == nil && !isAt(f, target) {
		err = ErrInUse // in the second case its user has just replaced it
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	// The folder may belong to somebody else.
	_ = removeTemporary(filepath.Join(filepath.Dir(target), temporary+filepath.Base(target)+"-*"))
	return f, nil
}

func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	now, nowErr := os.Stat(path)
	return err == nil && nowErr == nil && os.SameFile(opened, now)
}
