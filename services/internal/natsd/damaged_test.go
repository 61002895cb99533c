package natsd_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/natsd"
)

// Some damage keeps the server reading for ever; none of it keeps the process.
func TestDamagedFilesDoNotKeepTheServerFromStartingOrEnding(t *testing.T) {
	t.Parallel()
	for _, seed := range []int{1, 4} {
		dir := t.TempDir()
		s, err := natsd.Start(natsd.Options{Dir: dir, NoSync: true})
		require.NoError(t, err)
		fill(t, s)
		s.Shutdown()
		blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "jetstream", "*", "streams", "*", "msgs", "*.blk"))
		require.NoError(t, err)
		require.NotEmpty(t, blocks)
		data, err := os.ReadFile(blocks[0])
		require.NoError(t, err)
		for i := range 20 {
			data[(seed*7919+i*(len(data)/20)+i*seed*31)%len(data)] ^= 0xff
		}
		require.NoError(t, os.WriteFile(blocks[0], data, 0o600))

		s, err = natsd.Start(natsd.Options{Dir: dir, NoSync: true, RecoverWithin: 3 * time.Second})
		if err == nil {
			s.Shutdown()
			continue
		}
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, "damaged")
	}
}

func fill(t *testing.T, s *natsd.Server) {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgsPerSubject: 1000})
	require.NoError(t, err)
	for range 500 {
		_, err = js.Publish(t.Context(), "s.one", make([]byte, 900))
		require.NoError(t, err)
	}
}
