package credential

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func fromFile(t *testing.T, path string) (*Source, *witness) {
	t.Helper()
	w := &witness{}
	s, err := New(Config{BearerTokenFile: path}, w.logger())
	require.NoError(t, err)
	s.Subscribe(w)
	return s, w
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// mount lays a folder out as the kubelet does: the file is a link through
// ..data, and a new version is a new folder to which ..data is moved.
type mount struct {
	dir     string
	version int
}

func (m *mount) put(t *testing.T, content string) {
	t.Helper()
	m.version++
	dir := fmt.Sprintf("..2026_11_24_%04d", m.version)
	require.NoError(t, os.Mkdir(filepath.Join(m.dir, dir), 0o700))
	write(t, filepath.Join(m.dir, dir, "token"), content)
	old, _ := os.Readlink(filepath.Join(m.dir, "..data"))
	require.NoError(t, os.Symlink(dir, filepath.Join(m.dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
	if old == "" {
		require.NoError(t, os.Symlink("..data/token", filepath.Join(m.dir, "token")))
	} else {
		require.NoError(t, os.RemoveAll(filepath.Join(m.dir, old)))
	}
}

func TestEachSwapOfAKubernetesSecretIsSeen(t *testing.T) {
	t.Parallel()
	m := &mount{dir: t.TempDir()}
	m.put(t, "value-0")
	s, w := fromFile(t, filepath.Join(m.dir, "token"))
	run(t, s)
	var want []string
	for i := range 50 {
		value := fmt.Sprintf("value-%d", i)
		if i > 0 {
			m.put(t, value)
		}
		eventually(t, value, s)
		want = append(want, value)
	}
	require.Equal(t, want, w.values())
	require.Equal(t, uint64(50), s.Current().Generation)
	require.Empty(t, w.failed())
}

func TestAKubernetesSecretFoundThroughAnotherLinkIsFollowed(t *testing.T) {
	t.Parallel()
	m := &mount{dir: t.TempDir()}
	m.put(t, "value-0")
	link := filepath.Join(t.TempDir(), "github")
	require.NoError(t, os.Symlink(filepath.Join(m.dir, "token"), link))
	s, _ := fromFile(t, link)
	run(t, s)
	for i := range 10 {
		m.put(t, fmt.Sprintf("value-%d", i+1))
		eventually(t, fmt.Sprintf("value-%d", i+1), s)
	}
}

func TestAnEditorThatRenamesIsFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "value-0\n")
	s, w := fromFile(t, path)
	run(t, s)
	for i := range 20 {
		value := fmt.Sprintf("value-%d", i+1)
		// As vim does: the old file aside, a new one written, the old one removed.
		require.NoError(t, os.Rename(path, path+"~"))
		write(t, path, value+"\n")
		require.NoError(t, os.Remove(path+"~"))
		eventually(t, value, s)
		// As sed -i and most programs do.
		write(t, path+".tmp", value+"b\n")
		require.NoError(t, os.Rename(path+".tmp", path))
		eventually(t, value+"b", s)
	}
	require.Empty(t, w.failed())
	require.Equal(t, uint64(41), s.Current().Generation)
}

func TestAFileThatIsEmptyForAMomentKeepsItsValue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "value-0")
	s, w := fromFile(t, path)
	run(t, s)
	for i := range 10 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		require.NoError(t, err)
		// Somebody asks while the file is empty, and gets the value that follows.
		got := make(chan *Snapshot, 1)
		go func() { got <- s.Reread(t.Context()) }()
		time.AfterFunc(30*time.Millisecond, func() {
			_, err := fmt.Fprintf(f, "value-%d\n", i+1)
			_ = errors.Join(err, f.Close())
		})
		require.Equal(t, fmt.Sprintf("value-%d", i+1), (<-got).Token.Reveal())
	}
	require.Empty(t, w.failed())
	require.Len(t, w.values(), 11)
}

func TestAFileThatGoesAwayKeepsItsValueAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "the-value")
	s, w := fromFile(t, path)
	run(t, s)
	before := s.Current()
	for name, spoil := range map[string]func(){
		events.ProblemNotFound:  func() { require.NoError(t, os.Remove(path)) },
		events.ProblemEmpty:     func() { write(t, path, "") },
		events.ProblemMalformed: func() { write(t, path, "${TOKEN}") },
	} {
		spoil()
		reaches(t, s, func(now *Snapshot) bool { return now.Stale != "" })
		for range 3 {
			s.Reread(t.Context())
		}
		now := s.Current()
		require.True(t, now.Usable(), name)
		require.Equal(t, before.Header().Get("Authorization"), now.Header().Get("Authorization"))
		require.Equal(t, before.Generation, now.Generation)
		require.Contains(t, w.failed(), name)

		write(t, path, "the-value\n")
		reaches(t, s, func(now *Snapshot) bool { return now.Stale == "" })
		require.Equal(t, before.Generation, s.Current().Generation)
		require.Equal(t, before.LoadedAt, s.Current().LoadedAt)
	}
	require.Equal(t, []string{"the-value"}, w.values(), "nothing changed")
	require.Equal(t, 3, strings.Count(w.log(), "cannot be read; the one in use stays"))
	require.NotContains(t, w.log(), "the-value")
}

func TestAFileThatComesLateIsLoadedAlsoWithItsFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "run", "secrets", "token")
	s, w := fromFile(t, path)
	run(t, s)
	require.Equal(t, events.ProblemNotFound, s.Current().Problem)
	require.Equal(t, "file "+path, s.Current().Source)

	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	write(t, path, "value-1")
	eventually(t, "value-1", s)

	require.NoError(t, os.RemoveAll(filepath.Join(root, "run")))
	reaches(t, s, func(now *Snapshot) bool { return now.Stale != "" })
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	write(t, path, "value-2")
	eventually(t, "value-2", s)

	// A folder that takes the place of another.
	other := filepath.Join(root, "run", "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	write(t, filepath.Join(other, "token"), "value-3")
	require.NoError(t, os.Rename(filepath.Dir(path), filepath.Join(root, "run", "old")))
	require.NoError(t, os.Rename(other, filepath.Dir(path)))
	eventually(t, "value-3", s)
	write(t, path, "value-4")
	eventually(t, "value-4", s)
	require.Equal(t, []string{"-not_found", "value-1", "value-2", "value-3", "value-4"}, w.values())
}

func TestWhatIsWrongWithAFileIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	closed := file("closed", "x")
	require.NoError(t, os.Chmod(closed, 0))
	for path, want := range map[string]struct{ problem, detail string }{
		filepath.Join(dir, "none"):               {events.ProblemNotFound, "no such file"},
		file("empty", "\n"):                      {events.ProblemEmpty, "empty"},
		file("literal", "Bearer ${TOKEN}\n"):     {events.ProblemMalformed, "${…}"},
		file("doubled", "Bearer bearer x"):       {events.ProblemMalformed, "twice"},
		file("long", strings.Repeat("x", 1<<20)): {events.ProblemMalformed, "longer"},
		dir:                                      {events.ProblemUnread, "directory"},
		pipe:                                     {events.ProblemUnread, "regular file"},
		filepath.Join(file("plain", "x"), "and-more"): {events.ProblemUnread, "not a directory"},
		closed: {events.ProblemUnread, "permission denied"},
	} {
		if path == closed && os.Geteuid() == 0 {
			continue // root reads everything
		}
		s, w := fromFile(t, path)
		got := s.Reread(t.Context())
		require.Equal(t, want.problem, got.Problem, path)
		require.Contains(t, got.Detail, want.detail, path)
		require.False(t, got.Usable())
		require.Equal(t, []string{"-" + want.problem}, w.values())
	}
}

func TestARereadNeverReturnsAValueThatWasReplacedBeforeIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "value-0")
	s, _ := fromFile(t, path)
	run(t, s)
	rotations := 300
	if os.Getenv("SOAK") == "1" {
		rotations = 20000
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Reread(t.Context())
					runtime.Gosched()
				}
			}
		})
	}
	for i := range rotations {
		value := fmt.Sprintf("value-%d", i+1)
		write(t, path+".tmp", value)
		require.NoError(t, os.Rename(path+".tmp", path))
		require.Equal(t, value, s.Reread(t.Context()).Token.Reveal())
	}
	close(stop)
	others.Wait()
	require.Equal(t, uint64(rotations+1), s.Current().Generation)
}

func TestAVariableIsReadAndItsAbsenceSaid(t *testing.T) {
	t.Setenv("AUTHWATCH_TEST_TOKEN", "Bearer env-value\n")
	s, err := New(Config{BearerTokenEnv: "AUTHWATCH_TEST_TOKEN"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got := s.Reread(t.Context())
	require.Equal(t, "Bearer env-value", got.Header().Get("Authorization"))
	require.Equal(t, "env AUTHWATCH_TEST_TOKEN", got.Source)

	s, err = New(Config{BearerTokenEnv: "AUTHWATCH_TEST_NONE"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, events.ProblemNotFound, s.Reread(t.Context()).Problem)
}
