package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// home is the proxy's folder below data_dir: who it is, and what the bus has
// not acknowledged. A lock keeps a second proxy from being the same one.
type home struct {
	dir      string
	instance string
	lock     *os.File
}

func openHome(dataDir string) (*home, error) {
	if dataDir == "" {
		id, err := newInstance()
		return &home{instance: id}, err
	}
	h := &home{dir: filepath.Join(dataDir, "proxy")}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(h.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is used by another running proxy; give each a data_dir of its own", h.dir)
		}
		return nil, fmt.Errorf("lock %s: %w", h.dir, err)
	}
	h.lock = lock
	if h.instance, err = readInstance(filepath.Join(h.dir, "instance")); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *home) close() {
	if h.lock != nil {
		h.lock.Close()
	}
}

// source is the CloudEvents source, the same over restarts.
func (h *home) source() string { return "urn:authwatch:proxy:" + h.instance }

func readInstance(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		if id := strings.TrimSpace(string(text)); validInstance(id) {
			return id, nil
		}
		return "", fmt.Errorf("%s holds no instance name; remove it to get a new one", file)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id, err := newInstance()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err = f.WriteString(id + "\n"); err == nil {
		err = f.Sync()
	}
	return id, errors.Join(err, f.Close())
}

// newInstance names the machine, for people, and adds what makes it unique.
func newInstance() (string, error) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	id := host + "-" + hex.EncodeToString(b[:])
	if !validInstance(id) {
		id = "proxy-" + hex.EncodeToString(b[:])
	}
	return id, nil
}

// validInstance: it is a token of a key on the bus.
func validInstance(s string) bool {
	if s == "" || len(s) > 80 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
