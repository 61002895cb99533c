package credential

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/clock"
)

func TestACallerThatArrivesDuringAReadWaitsForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		f := reader{read: func(ctx context.Context, _ bool) {
			starts = append(starts, time.Now())
			clock.Sleep(ctx, time.Second)
		}}
		begin := time.Now()
		go f.wait(t.Context(), false)
		synctest.Wait()
		for range 100 {
			go f.wait(t.Context(), false)
		}
		synctest.Wait()
		f.wait(t.Context(), false)
		require.Equal(t, []time.Time{begin, begin.Add(time.Second)}, starts)
		require.Equal(t, 2*time.Second, time.Since(begin))

		f.wait(t.Context(), false)
		require.Len(t, starts, 3)
	})
}

func TestACallerThatLeavesDoesNotEndTheRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finished := 0
		f := reader{read: func(ctx context.Context, _ bool) {
			if clock.Sleep(ctx, time.Minute) {
				finished++
			}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		f.wait(ctx, false)
		require.Equal(t, time.Second, time.Since(begin))
		clock.Sleep(t.Context(), time.Hour)
		synctest.Wait()
		require.Equal(t, 1, finished)
	})
}

func TestOneCallerBecauseItIsTimeMakesTheSharedReadDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dues []bool
		f := reader{read: func(ctx context.Context, due bool) {
			dues = append(dues, due)
			clock.Sleep(ctx, time.Second)
		}}
		go f.wait(t.Context(), false)
		synctest.Wait()
		go f.wait(t.Context(), false)
		go f.wait(t.Context(), true)
		synctest.Wait()
		f.wait(t.Context(), false)
		require.Equal(t, []bool{false, true}, dues)
	})
}

func TestClosingEndsTheRunningReadAndThoseThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		f := reader{read: func(ctx context.Context, _ bool) {
			reads++
			clock.Sleep(ctx, time.Hour)
		}}
		begin := time.Now()
		go f.wait(t.Context(), false)
		synctest.Wait()
		go f.wait(t.Context(), false)
		synctest.Wait()
		f.close()
		f.wait(t.Context(), false)
		require.Zero(t, time.Since(begin))
		require.Equal(t, 1, reads)
	})
}

func TestClosingWaitsForWhatCannotBeCalledBackButNotForEver(t *testing.T) {
	t.Parallel()
	for takes, want := range map[time.Duration]time.Duration{4 * time.Second: 3 * time.Second, time.Hour: lastRead} {
		synctest.Test(t, func(t *testing.T) {
			f := reader{read: func(ctx context.Context, _ bool) { clock.Sleep(context.WithoutCancel(ctx), takes) }}
			go f.wait(t.Context(), false)
			clock.Sleep(t.Context(), time.Second)
			begin := time.Now()
			f.close()
			require.Equal(t, want, time.Since(begin))
			clock.Sleep(t.Context(), takes) // it ends by itself
		})
	}
}
