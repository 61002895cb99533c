package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
)

// identity is who the proxy is on the bus, and its folder below data_dir, which
// also keeps what the bus has not acknowledged. A lock keeps a second proxy from
// being the same one.
type identity struct {
	dir      string // empty: the identity ends with the process
	instance string
	lock     *os.File
}

func openIdentity(dataDir string, log *slog.Logger) (*identity, error) {
	if dataDir == "" {
		instance, err := newInstance()
		return &identity{instance: instance}, err
	}
	i := &identity{dir: filepath.Join(dataDir, "proxy")}
	var err error
	if i.lock, err = datadir.Lock(i.dir); err != nil {
		return nil, err
	}
	if i.instance, err = readInstance(filepath.Join(i.dir, "instance"), log); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func (i *identity) close() {
	if i.lock != nil {
		i.lock.Close()
	}
}

// source is the CloudEvents source, the same over restarts.
func (i *identity) source() string { return "urn:authwatch:proxy:" + i.instance }

// readInstance returns the name in file. A file without a usable one, which a
// full disk or a person may leave, must not keep the proxy from starting.
func readInstance(file string, log *slog.Logger) (string, error) {
	text, err := config.ReadFile(file, 4<<10)
	first := errors.Is(err, fs.ErrNotExist)
	_, large := errors.AsType[config.TooLargeError](err)
	if err != nil && !first && !large {
		return "", err
	}
	if instance := strings.TrimSpace(string(text)); validInstance(instance) {
		return instance, nil
	}
	instance, err := newInstance()
	if err != nil {
		return "", err
	}
	if !first {
		log.Warn("the instance file held no usable name; the proxy has a new one", "file", file, "instance", instance)
	}
	return instance, datadir.Replace(file, []byte(instance+"\n"))
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
