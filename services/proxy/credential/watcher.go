package credential

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher tells when something happens in the folders that files are found
// through. It does not look at what: Kubernetes swaps a link beside the file,
// editors rename another file into its place, folders come and go.
type watcher struct {
	files  []string
	notify *fsnotify.Watcher // nil: polling has to do
	known  map[string]os.FileInfo
	events chan struct{}
}

func newWatcher(files []string, log *slog.Logger) *watcher {
	w := &watcher{files: files, known: map[string]os.FileInfo{}, events: make(chan struct{}, 1)}
	if len(files) == 0 {
		return w
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("credential files are not watched; they are read every second instead", "err", err)
		return w
	}
	w.notify = notify
	go w.run(notify)
	w.follow()
	return w
}

func (w *watcher) run(notify *fsnotify.Watcher) {
	for {
		select {
		case _, open := <-notify.Events:
			if !open {
				return
			}
		case _, open := <-notify.Errors: // events were lost
			if !open {
				return
			}
		}
		select {
		case w.events <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) close() {
	if w.notify != nil {
		_ = w.notify.Close()
	}
}

func (w *watcher) interval() time.Duration {
	if w.notify == nil {
		return pollUnwatched
	}
	return pollEvery
}

// follow moves the watches to where the files are now. A folder may be another
// one under the same name.
func (w *watcher) follow() {
	if w.notify == nil {
		return
	}
	// A folder that appeared before the watch on the one above it was there has
	// told nobody: look again after each move.
	for range 16 {
		if !w.move(w.wanted()) {
			return
		}
	}
}

func (w *watcher) wanted() map[string]os.FileInfo {
	wanted := map[string]os.FileInfo{}
	for _, f := range w.files {
		for _, dir := range folders(f) {
			if info, err := os.Stat(dir); err == nil {
				wanted[dir] = info
			}
		}
	}
	return wanted
}

// move returns whether it added a watch.
func (w *watcher) move(wanted map[string]os.FileInfo) (added bool) {
	watched := w.notify.WatchList()
	for dir, info := range w.known {
		if now, ok := wanted[dir]; !ok || !os.SameFile(now, info) || !slices.Contains(watched, dir) {
			_ = w.notify.Remove(dir)
			delete(w.known, dir)
		}
	}
	for dir, info := range wanted {
		if _, ok := w.known[dir]; !ok && w.notify.Add(dir) == nil {
			w.known[dir] = info
			added = true
		}
	}
	return added
}

// folders are those whose entries lead to file: its own, and those of the
// targets where it is a link. In place of one that does not exist stands the
// nearest above that does.
func folders(file string) []string {
	var dirs []string
	for range 16 {
		dir := filepath.Dir(file)
		target, err := os.Readlink(file)
		dirs = append(dirs, existing(dir))
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		file = target
	}
	return dirs
}

func existing(dir string) string {
	for {
		info, err := os.Stat(dir)
		up := filepath.Dir(dir)
		if err == nil && info.IsDir() || up == dir {
			return dir
		}
		dir = up
	}
}
