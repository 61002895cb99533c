package credential

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoAsksDuringAReadGetsTheNextAndSharesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		f := flight{fly: func(ctx context.Context, _ bool) {
			starts = append(starts, time.Now())
			pause(ctx, time.Second)
		}}
		begin := time.Now()
		go f.join(t.Context(), false)
		synctest.Wait()
		for range 100 {
			go f.join(t.Context(), false)
		}
		synctest.Wait()
		f.join(t.Context(), false)
		require.Equal(t, []time.Time{begin, begin.Add(time.Second)}, starts)
		require.Equal(t, 2*time.Second, time.Since(begin))

		f.join(t.Context(), false)
		require.Len(t, starts, 3)
	})
}

func TestACallerWhoLeavesDoesNotEndTheReadOfTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finished := 0
		f := flight{fly: func(ctx context.Context, _ bool) {
			if pause(ctx, time.Minute) {
				finished++
			}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		f.join(ctx, false)
		require.Equal(t, time.Second, time.Since(begin))
		pause(t.Context(), time.Hour)
		synctest.Wait()
		require.Equal(t, 1, finished)
	})
}

func TestOneWhoAsksBecauseItIsTimeMakesTheSharedReadDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dues []bool
		f := flight{fly: func(ctx context.Context, due bool) {
			dues = append(dues, due)
			pause(ctx, time.Second)
		}}
		go f.join(t.Context(), false)
		synctest.Wait()
		go f.join(t.Context(), false)
		go f.join(t.Context(), true)
		synctest.Wait()
		f.join(t.Context(), false)
		require.Equal(t, []bool{false, true}, dues)
	})
}

func TestClosingEndsTheReadUnderWayAndThoseToCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		f := flight{fly: func(ctx context.Context, _ bool) {
			reads++
			pause(ctx, time.Hour)
		}}
		begin := time.Now()
		go f.join(t.Context(), false)
		synctest.Wait()
		go f.join(t.Context(), false)
		synctest.Wait()
		f.close()
		f.join(t.Context(), false)
		require.Zero(t, time.Since(begin))
		require.Equal(t, 2, reads)
	})
}
