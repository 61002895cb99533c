package process

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a folder has to be quiet before the file is read:
	// editors write in several steps.
	settle = 100 * time.Millisecond
	// patience is how long a folder that is never quiet is waited for.
	patience = time.Second
)

// Watch follows the configuration file.
type Watch struct {
	File string
	Log  *slog.Logger
	// Changed is called when the content of File has changed, and on SIGHUP.
	Changed func(ctx context.Context)
}

// Component returns the watch as a part of a [Group].
func (w Watch) Component() Component { return Component{Name: "reload", Run: w.run} }

func (w Watch) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return w.follow(ctx, hangup)
}

func (w Watch) follow(ctx context.Context, hangup <-chan os.Signal) error {
	events, stop := w.events()
	defer stop()
	last := sum(w.File)
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	var since time.Time // of the first event that was not looked at yet
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			last = sum(w.File)
			w.Changed(ctx)
		case _, open := <-events:
			if !open {
				events = nil
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			if time.Since(since) < patience {
				quiet.Reset(settle)
			}
		case <-quiet.C:
			since = time.Time{}
			if now := sum(w.File); now != last {
				last = now
				w.Changed(ctx)
			}
		}
	}
}

// events watches the folder and not the file: editors and Kubernetes put
// another file, or another target of a link, in its place.
func (w Watch) events() (<-chan fsnotify.Event, func()) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(filepath.Dir(w.File)); err == nil {
			return watcher.Events, func() { _ = watcher.Close() }
		}
		_ = watcher.Close()
	}
	w.Log.Warn("configuration file is not watched; send SIGHUP after a change", "file", w.File, "err", err)
	return nil, func() {}
}

// sum of a file that cannot be read is that of an empty one.
func sum(file string) [sha256.Size]byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(content)
}
