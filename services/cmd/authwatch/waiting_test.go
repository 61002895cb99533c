package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const answer = `{"workload":"a","status":"running","served_by":1,"transitions":[],"receipts":[]}`

func TestWhatTheAPISaysIsShownAlsoWhenTheBusIsOutOfReach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "authwatch.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data_dir: "+dir+"\n"), 0o600))
	out, err := run(t, answer, "why", "a", "-c", file)
	require.NoError(t, err)
	require.Contains(t, out, "nobody yet")
	require.Contains(t, out, "Waiting\n  not known: authwatch run is not running with data_dir "+dir)

	require.NoError(t, os.WriteFile(file, []byte("nats: {listn: x}\n"), 0o600))
	_, err = run(t, answer, "why", "a", "-c", file)
	require.ErrorContains(t, err, `unknown key "listn"`)
}
