package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/clock"
)

func TestSleepLastsAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.True(t, clock.Sleep(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, clock.Sleep(ctx, time.Minute))
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		require.False(t, clock.Sleep(ctx, 0))
	})
}

func TestBackoffDoublesUpToItsMost(t *testing.T) {
	t.Parallel()
	b := clock.Backoff{First: 100 * time.Millisecond, Most: time.Second}
	for failures, want := range map[int]string{1: "100ms", 2: "200ms", 3: "400ms", 4: "800ms", 5: "1s", 6: "1s"} {
		b.Failures = failures
		require.Equal(t, want, b.Wait(1).String(), failures)
		require.Equal(t, b.Wait(1)/2, b.Wait(0), failures)
	}
	b.Failures = 1 << 40
	require.Equal(t, time.Second, b.Wait(1))
}

func TestBackoffStartsOverAfterASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := clock.Backoff{First: time.Second, Most: time.Hour}
		for range 5 {
			require.True(t, b.Sleep(t.Context()))
		}
		require.Equal(t, 5, b.Failures)
		b.Reset()
		wait := b.Failed()
		require.GreaterOrEqual(t, wait, time.Second/2)
		require.Less(t, wait, time.Second)
	})
}

func TestWallClockFollowsAClockThatIsSet(t *testing.T) {
	t.Parallel()
	now := clock.Wall{}.Now()
	require.Equal(t, now.Round(0).String(), now.String()) // no monotonic part
	require.NotZero(t, <-clock.Wall{}.After(0))
}
