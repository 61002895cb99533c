package datadir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/datadir"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFolderHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	lock, err := datadir.Lock(dir)
	require.NoError(t, err)
	_, err = datadir.Lock(dir)
	require.ErrorIs(t, err, datadir.ErrInUse)
	require.ErrorContains(t, err, dir)
	require.NoError(t, lock.Close())
	lock, err = datadir.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

func TestWhatACrashLeftIsRemovedByTheNextOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "instance")
	require.NoError(t, datadir.Replace(file, []byte("a")))
	// A process that was killed before the rename.
	left, err := os.CreateTemp(dir, ".authwatch-instance-*")
	require.NoError(t, err)
	require.NoError(t, left.Close())
	lock, err := datadir.Lock(dir)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	require.Equal(t, []string{"instance", "lock"}, names(t, dir))
}

func TestAReplacedFileKeepsItsModeAndItsLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("file", link))
	require.NoError(t, datadir.Replace(file, []byte("one")))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	require.NoError(t, os.Chmod(file, 0o640))
	require.NoError(t, datadir.Replace(link, []byte("two")))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "two", string(content))
	info, err = os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	require.Equal(t, []string{"file", "link"}, names(t, dir))
}

func TestAFailedReplaceLeavesNothingAndNamesNoTemporaryFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o700))
	err := datadir.Replace(filepath.Join(dir, "folder"), []byte("x"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), dir)
	require.Equal(t, []string{"folder"}, names(t, dir))
}
