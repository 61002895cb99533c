package credential

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTwoHundredSourcesUseAtMostTwoInotifyInstances(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("needs /proc")
	}
	for range 200 {
		path := filepath.Join(t.TempDir(), "token")
		write(t, path, "value")
		s, _ := fromFile(t, path)
		run(t, s)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	instances := 0
	for _, fd := range fds {
		target, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if strings.Contains(target, "inotify") {
			instances++
		}
	}
	require.LessOrEqual(t, instances, 2)
}
