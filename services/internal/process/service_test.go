package process

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	eventually = 10 * time.Second
	tick       = 5 * time.Millisecond
)

func TestTheCommandLineOfAServiceSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	s := Service{Name: "proxy"}
	for want, args := range map[string][]string{
		"no configuration file given; run proxy -c FILE":                                                  {},
		`unexpected argument "run"; see proxy -h`:                                                         {"-c", "x", "run"},
		"flag provided but not defined: -config; see proxy -h":                                            {"-config", "x"},
		`invalid value "loud" for flag -log-level: slog: level string "loud": unknown name; see proxy -h`: {"-log-level", "loud"},
	} {
		err := s.call(t.Context(), args, io.Discard)
		require.EqualError(t, err, want)
		var ee *ExitError
		require.ErrorAs(t, err, &ee)
		require.Equal(t, ExitUsage, ee.Code)
	}
}

func TestAServiceRunsWithItsFileAndPrintsItsVersion(t *testing.T) {
	t.Parallel()
	var ran string
	s := Service{Name: "proxy", Run: func(ctx context.Context, file string, log *slog.Logger) error {
		ran = file
		require.True(t, log.Enabled(ctx, slog.LevelDebug))
		return nil
	}}
	require.NoError(t, s.call(t.Context(), []string{"-log-level", "debug", "-c", "a.yaml"}, io.Discard))
	require.Equal(t, "a.yaml", ran)

	var out strings.Builder
	require.NoError(t, s.call(t.Context(), []string{"-version"}, &out))
	require.Equal(t, "proxy "+Version()+"\n", out.String())
	out.Reset()
	require.NoError(t, s.call(t.Context(), []string{"-h"}, &out))
	require.Contains(t, out.String(), "usage: proxy -c FILE")
}

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
