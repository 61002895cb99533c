package process

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogsAreJSONUnlessAPersonReads(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	log := Logger(f, slog.LevelWarn)
	log.Info("not this")
	log.Warn("this", "key", 1)
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "\n"))
	require.Contains(t, string(text), `"level":"WARN","msg":"this","key":1}`)
}
