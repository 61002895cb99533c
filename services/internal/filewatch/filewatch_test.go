package filewatch

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"
)

const (
	inTime = 8 * time.Second // less than pollEvery: a watch has to have told
	tick   = time.Millisecond
)

func start(t *testing.T, settle time.Duration, files ...string) *Watch {
	t.Helper()
	w := Start(slog.New(slog.DiscardHandler), settle, files...)
	t.Cleanup(w.Close)
	return w
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func signalled(t *testing.T, w *Watch) {
	t.Helper()
	select {
	case <-w.Changed:
	case <-time.After(inTime):
		require.Fail(t, "no signal")
	}
}

// instances counts the inotify instances of this process.
func instances(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("needs /proc")
	}
	require.NoError(t, err)
	n := 0
	for _, fd := range fds {
		if target, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); strings.Contains(target, "inotify") {
			n++
		}
	}
	return n
}

func TestAllWatchesOfAProcessShareOneInstance(t *testing.T) {
	t.Parallel()
	var watches []*Watch
	var files []string
	for range 200 {
		file := filepath.Join(t.TempDir(), "token")
		files = append(files, file)
		watches = append(watches, start(t, 0, file))
	}
	require.LessOrEqual(t, instances(t), 2)
	for i, w := range watches {
		write(t, files[i], "value")
		signalled(t, w)
	}
}

func TestTheLastWatchOfAFolderEndsItsUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := Start(slog.New(slog.DiscardHandler), 0, filepath.Join(dir, "one"))
	two := Start(slog.New(slog.DiscardHandler), 0, filepath.Join(dir, "two"))
	known := func() bool {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		return shared.folders[dir] != nil
	}
	one.Close()
	require.True(t, known())
	two.Close()
	require.False(t, known())
}

func TestAFolderWithTwoNamesIsWatchedUntilNobodyNeedsIt(t *testing.T) {
	t.Parallel()
	dir, links := t.TempDir(), t.TempDir()
	link := filepath.Join(links, "folder")
	require.NoError(t, os.Symlink(dir, link))
	first := Start(slog.New(slog.DiscardHandler), 0, filepath.Join(dir, "token"))
	second := start(t, 0, filepath.Join(link, "token"))
	first.Close()
	write(t, filepath.Join(dir, "token"), "value")
	signalled(t, second)

	// The name under which the system knows it goes to another folder.
	third := start(t, 0, filepath.Join(dir, "token"))
	require.NoError(t, os.Remove(link))
	other := t.TempDir()
	require.NoError(t, os.Symlink(other, link))
	fourth := start(t, 0, filepath.Join(link, "token"))
	write(t, filepath.Join(other, "token"), "value")
	signalled(t, fourth)
	require.Eventually(t, func() bool {
		write(t, filepath.Join(dir, "token"), "again")
		select {
		case <-third.Changed:
			return true
		default:
			return false
		}
	}, inTime, tick)
}

func TestLostEventsAreAChangeForEverybody(t *testing.T) { //nolint:paralleltest // it fills the queue that all share
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip("needs inotify")
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	if most > 1<<17 {
		t.Skip("the queue is too long to fill")
	}
	busy, calm := t.TempDir(), t.TempDir()
	start(t, 0, filepath.Join(busy, "token"))
	w := start(t, 0, filepath.Join(calm, "token"))

	var files [2]*os.File
	for i := range files {
		files[i], err = os.Create(filepath.Join(busy, fmt.Sprint(i)))
		require.NoError(t, err)
		defer files[i].Close()
	}
	shared.mu.Lock()
	for i := range 2 * most {
		_, _ = files[i%2].WriteAt([]byte("x"), 0)
	}
	write(t, filepath.Join(calm, "token"), "value") // nobody is told
	shared.mu.Unlock()
	signalled(t, w)
	write(t, filepath.Join(calm, "token"), "another")
	signalled(t, w)
}

func TestWithoutAnInstanceTheFilesAreLookedAtAllTheSame(t *testing.T) {
	t.Parallel()
	// The watches of the other tests are not touched: this is an instance of its own.
	i := &instance{log: slog.New(slog.DiscardHandler), watches: map[*Watch]bool{}, folders: map[string]*folder{}}
	w := &Watch{poke: make(chan struct{}, 1)}
	i.watches[w] = true
	i.unwatched(errors.New("too many open files"))
	require.Equal(t, pollUnwatched, i.interval())
	require.False(t, i.move(w, map[string]os.FileInfo{}, nil))
	i.check()
	require.Len(t, w.poke, 1)
	require.NotNil(t, i.notify, "it is asked for again")
	require.Equal(t, pollEvery, i.interval())
	require.NoError(t, i.notify.Close())
}

func TestAFolderThatIsNeverQuietDoesNotHideAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, Settle, filepath.Join(dir, "file"))
	require.Eventually(t, func() bool {
		write(t, filepath.Join(dir, "file"), "line")
		return len(w.Changed) == 1
	}, inTime, tick)
}

func TestALogBesideAFileTellsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &Watch{poke: make(chan struct{}, 1), names: map[string]bool{"file": true}}
	i := &instance{folders: map[string]*folder{dir: {path: dir, users: map[*Watch]bool{w: true}}}}
	told := func(name string, op fsnotify.Op) int {
		i.happened(fsnotify.Event{Name: filepath.Join(dir, name), Op: op})
		defer func() { w.poke = make(chan struct{}, 1) }()
		return len(w.poke)
	}
	require.Zero(t, told("log", fsnotify.Write))
	require.Zero(t, told("log", fsnotify.Chmod))
	require.Equal(t, 1, told("file", fsnotify.Write))
	require.Equal(t, 1, told("file", fsnotify.Chmod))
	require.Equal(t, 1, told("..data", fsnotify.Create), "it may be a link on the way to the file")
	require.Equal(t, 1, told("other", fsnotify.Rename))
	require.Equal(t, 1, told("other", fsnotify.Remove))
}

func TestWithoutFilesThereIsNothingToWaitFor(t *testing.T) {
	t.Parallel()
	w := Start(nil, 0)
	require.Nil(t, w.Changed)
	w.Close()
}

func TestTheFoldersThatLeadToAFileAreFoundThroughItsLinks(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, d := range []string{"a", "b"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, d), 0o700))
	}
	require.NoError(t, os.Symlink("../b/file", filepath.Join(root, "a", "link")))
	require.Equal(t, []string{filepath.Join(root, "a", "link"), filepath.Join(root, "b", "file")}, chain(filepath.Join(root, "a", "link")))
	require.Equal(t, root, existing(filepath.Join(root, "x", "y")))

	loop := filepath.Join(root, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	require.Len(t, chain(loop), maxLinks)
}
