package filewatch

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	pollEvery     = 10 * time.Second // the safety net below the watches
	pollUnwatched = time.Second
)

// shared is the one instance. The system counts them by user, so that is what
// a process has one of.
var shared instance

// instance shares the watched folders among the watches. It exists while there
// is a watch.
type instance struct {
	mu       sync.Mutex
	notify   *fsnotify.Watcher // nil: the system gives none
	log      *slog.Logger
	watches  map[*Watch]bool
	folders  map[string]*folder // by the path under which notify knows it
	complete bool               // every folder that is wanted is watched
	warned   bool
	stop     chan struct{}
}

// folder is one directory, however many paths lead to it: for the system a
// second watch on it is the first.
type folder struct {
	path  string
	info  os.FileInfo
	users map[*Watch]bool
}

func (i *instance) enter(w *Watch, log *slog.Logger) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.watches) == 0 {
		i.log, i.complete, i.warned = log, true, false
		i.watches, i.folders = map[*Watch]bool{}, map[string]*folder{}
		i.stop = make(chan struct{})
		i.open()
		go i.poll(i.stop)
	}
	i.watches[w] = true
}

func (i *instance) leave(w *Watch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.release(w, nil)
	delete(i.watches, w)
	if len(i.watches) > 0 {
		return
	}
	close(i.stop)
	if i.notify != nil {
		_ = i.notify.Close()
		i.notify = nil
	}
}

// open asks the system for an instance. The caller holds mu.
func (i *instance) open() {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		i.unwatched(err)
		return
	}
	i.notify = notify
	go i.run(notify)
}

func (i *instance) unwatched(err error) {
	i.complete = false
	if !i.warned {
		i.warned = true
		i.log.Warn("files cannot be watched; they are read every second instead", "err", err)
	}
}

func (i *instance) run(notify *fsnotify.Watcher) {
	for {
		select {
		case e, open := <-notify.Events:
			if !open {
				return
			}
			i.happened(e)
		case _, open := <-notify.Errors:
			if !open {
				return
			}
			i.forgetAll() // events were lost
		}
	}
}

// happened tells those who use the folder of a file. Where the file itself is a
// watched folder, it may be another one now. What is written into a file is told
// only to those who look at a file of that name: it may be a log.
func (i *instance) happened(e fsnotify.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	content := e.Op&^(fsnotify.Write|fsnotify.Chmod) == 0
	if f := i.folders[filepath.Dir(e.Name)]; f != nil {
		for w := range f.users {
			if !content || w.names[filepath.Base(e.Name)] {
				wake(w.poke)
			}
		}
	}
	if f := i.folders[e.Name]; f != nil {
		i.forget(f)
	}
}

func (i *instance) forgetAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.folders {
		i.forget(f)
	}
}

// forget makes the users of f look for it anew. The caller holds mu.
func (i *instance) forget(f *folder) {
	_ = i.notify.Remove(f.path)
	delete(i.folders, f.path)
	f.wake()
}

func (f *folder) wake() {
	for w := range f.users {
		wake(w.poke)
	}
}

// move makes w a user of the folders that it wants, and of no others. It returns
// whether a folder was added.
func (i *instance) move(w *Watch, wanted map[string]os.FileInfo, names map[string]bool) (added bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.names = names
	if i.notify == nil {
		return false
	}
	keep := map[*folder]bool{}
	for path, info := range wanted {
		f := i.find(path, info)
		if f == nil {
			if err := i.notify.Add(path); err != nil {
				if !os.IsNotExist(err) {
					i.unwatched(err)
				}
				continue
			}
			f = &folder{path: filepath.Clean(path), info: info, users: map[*Watch]bool{}}
			i.folders[f.path] = f
		}
		added = added || !f.users[w]
		f.users[w], keep[f] = true, true
	}
	i.release(w, keep)
	return added
}

func (i *instance) find(path string, info os.FileInfo) *folder {
	if f := i.folders[path]; f != nil {
		if os.SameFile(f.info, info) {
			return f
		}
		i.forget(f) // another folder has taken its place
	}
	for _, f := range i.folders {
		if os.SameFile(f.info, info) {
			return f
		}
	}
	return nil
}

// release takes w out of the folders that it does not keep.
func (i *instance) release(w *Watch, keep map[*folder]bool) {
	for _, f := range i.folders {
		if !f.users[w] || keep[f] {
			continue
		}
		delete(f.users, w)
		if len(f.users) == 0 {
			_ = i.notify.Remove(f.path)
			delete(i.folders, f.path)
		}
	}
}

// poll makes everybody look now and then, whatever the system has told.
func (i *instance) poll(stop <-chan struct{}) {
	for {
		t := time.NewTimer(i.interval())
		select {
		case <-stop:
			t.Stop()
			return
		case <-t.C:
			i.check()
		}
	}
}

func (i *instance) interval() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.complete {
		return pollEvery
	}
	return pollUnwatched
}

// check looks for watches that have ended without a word, as those of a folder
// whose file system was unmounted.
func (i *instance) check() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.watches) == 0 {
		return
	}
	i.complete = true
	if i.notify == nil {
		i.open()
	}
	if i.notify != nil {
		alive := i.notify.WatchList()
		for path, f := range i.folders {
			if !slices.Contains(alive, path) {
				i.forget(f)
			}
		}
	}
	for w := range i.watches {
		wake(w.poke)
	}
}
