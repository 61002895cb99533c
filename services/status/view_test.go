package status

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestViewKeepsTheLatestVersion(t *testing.T) {
	t.Parallel()
	w := newView()
	of := func(name string, sequence uint64) version {
		return version{record: events.Record{Workload: name}, sequence: sequence, stream: stream}
	}
	put := func(v version, want bool) {
		t.Helper()
		_, taken := w.put(v)
		require.Equal(t, want, taken)
	}
	put(of("github", 5), true)
	put(of("github", 4), false)
	put(of("github", 5), false)
	put(of("github", 6), true)
	anew := of("github", 1)
	anew.stream = stream.AddDate(0, 0, 1)
	put(anew, true)
	put(of("github", 7), false)

	put(of("zulu", 2), true)
	put(of("alpha", 3), true)
	names := []string{}
	for _, r := range w.records() {
		names = append(names, r.Workload)
	}
	require.Equal(t, []string{"alpha", "github", "zulu"}, names)
	require.Equal(t, 3, w.len())
}
