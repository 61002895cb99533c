// Package filewatch says when a file may hold something else.
//
// All watches of a process share one inotify instance, because the system gives
// a user few (128 by default). A signal means "look at the file": its content may
// be the same.
package filewatch

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	// Settle is how long a folder has to be quiet before a file that has to be
	// whole is read: editors write in several steps.
	Settle = 100 * time.Millisecond
	// gap bounds how often a busy folder makes a file be read.
	gap = 10 * time.Millisecond
)

// Watch follows some files through every folder and link that leads to them.
type Watch struct {
	// Changed gets a signal after each change beside one of the files, and every
	// ten seconds in any case. It is nil where there are no files.
	Changed <-chan struct{}

	files  []string
	names  map[string]bool // of them, and of what they lead to; the instance's lock
	settle time.Duration
	signal chan struct{} // Changed
	poke   chan struct{} // something happened in one of the folders
	stop   chan struct{}
	ended  chan struct{}
}

// Start watches files. A change after it returns is never missed. With a settle
// time the signal waits until the folders are quiet, ten times as long at most.
func Start(log *slog.Logger, settle time.Duration, files ...string) *Watch {
	w := &Watch{
		files: files, settle: settle,
		signal: make(chan struct{}, 1), poke: make(chan struct{}, 1),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if len(files) == 0 {
		close(w.ended)
		return w
	}
	w.Changed = w.signal
	shared.enter(w, log)
	w.follow()
	go w.run()
	return w
}

// Close ends the watch.
func (w *Watch) Close() {
	close(w.stop)
	<-w.ended
}

func (w *Watch) run() {
	defer close(w.ended)
	defer shared.leave(w)
	for {
		select {
		case <-w.stop:
			return
		case <-w.poke:
		}
		if !w.quiet() {
			return
		}
		w.follow()
		wake(w.signal)
		if !w.pause(gap) {
			return
		}
	}
}

// quiet waits until the folders are; false: the watch was closed.
func (w *Watch) quiet() bool {
	for end := time.Now().Add(10 * w.settle); time.Now().Before(end); {
		if !w.pause(w.settle) {
			return false
		}
		select {
		case <-w.poke:
		default:
			return true
		}
	}
	return true
}

func (w *Watch) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.stop:
		return false
	}
}

// follow moves the watches to where the files are now.
func (w *Watch) follow() {
	// There was no event for a folder that appeared before the one above it was
	// watched: look again after each move.
	for range maxLinks {
		wanted, names := map[string]os.FileInfo{}, map[string]bool{}
		for _, f := range w.files {
			for _, file := range chain(f) {
				names[filepath.Base(file)] = true
				dir := existing(filepath.Dir(file))
				if info, err := os.Stat(dir); err == nil {
					wanted[dir] = info
				}
			}
		}
		if !shared.move(w, wanted, names) {
			return
		}
	}
}

const maxLinks = 16

// chain is file and, where it is a link, what it leads to. The folders of all of
// them are watched: Kubernetes swaps a link beside the file.
func chain(file string) []string {
	var files []string
	for range maxLinks {
		files = append(files, file)
		target, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(file), target)
		}
		file = target
	}
	return files
}

// existing is dir or, in place of one that does not exist, the nearest above that
// does.
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

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
