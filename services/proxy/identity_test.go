package proxy

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/datadir"
)

func TestAnInstanceFileWithoutANameGetsANewOne(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "broken": "a\x00b", "too long": strings.Repeat("x", 100), "huge": strings.Repeat("x", 1<<20)} {
		dir, log := t.TempDir(), &bytes.Buffer{}
		file := filepath.Join(dir, "proxy", "instance")
		require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		first, err := openIdentity(dir, slog.New(slog.NewTextHandler(log, nil)))
		require.NoError(t, err, name)
		require.True(t, validInstance(first.instance))
		require.Contains(t, log.String(), "held no usable name", name)

		_, err = openIdentity(dir, slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, datadir.ErrInUse)
		first.close()
		log.Reset()
		second, err := openIdentity(dir, slog.New(slog.NewTextHandler(log, nil)))
		require.NoError(t, err)
		require.Equal(t, first.instance, second.instance)
		require.Empty(t, log.String())
		second.close()
	}
}

func TestAnInstanceThatIsAPipeIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "proxy"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "proxy", "instance"), 0o600))
	_, err := openIdentity(dir, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "not a regular file")
}
