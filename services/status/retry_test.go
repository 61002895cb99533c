package status

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestABrokerThatStaysAwayIsToldAFewTimesNotEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := retrier{slog.New(slog.NewTextHandler(&out, nil))}
		pause := r.pauses("read records")
		for range 600 { // ten minutes
			require.True(t, pause(t.Context(), errors.New("not connected")))
		}
		require.Equal(t, 2, strings.Count(out.String(), "not connected"), out.String())
		require.True(t, pause(t.Context(), errors.New("permission denied")))
		require.Contains(t, out.String(), "permission denied")
	})
}
