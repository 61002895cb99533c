package bus_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestWriteIsStoredOnlyAfterTheRecordItKnows(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := natstest.Bus(t)
	const filter = "status.*.github"
	one, err := b.Write(ctx, status(t, events.TypeStatusChanged, "github", 1), filter, 0)
	require.NoError(t, err)
	other, err := b.Write(ctx, status(t, events.TypeStatusChanged, "gitlab", 1), "status.*.gitlab", 0)
	require.NoError(t, err)
	require.Greater(t, other, one)

	_, err = b.Write(ctx, status(t, events.TypeStatusChanged, "github", 2), filter, 0)
	require.ErrorIs(t, err, bus.ErrConflict)
	two, err := b.Write(ctx, status(t, events.TypeStatusUpdated, "github", 2), filter, one)
	require.NoError(t, err)
	// The newest record is of the other subject of the workload.
	_, err = b.Write(ctx, status(t, events.TypeStatusChanged, "github", 3), filter, one)
	require.ErrorIs(t, err, bus.ErrConflict)
	_, err = b.Write(ctx, status(t, events.TypeStatusChanged, "github", 3), filter, two)
	require.NoError(t, err)

	m, err := b.Last(ctx, bus.StreamStatus, filter)
	require.NoError(t, err)
	require.Equal(t, "status.changed.github", m.Subject)
	history, err := b.History(ctx, bus.StreamStatus, filter, 10)
	require.NoError(t, err)
	require.Len(t, history, 3)
}

func TestWriteOfAnEventThatIsStoredAlreadyIsAConflict(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	e := status(t, events.TypeStatusChanged, "github", 1)
	sequence, err := b.Write(t.Context(), e, "status.*.github", 0)
	require.NoError(t, err)
	for _, last := range []uint64{0, sequence} {
		_, err = b.Write(t.Context(), e, "status.*.github", last)
		require.ErrorIs(t, err, bus.ErrConflict)
	}
	history, err := b.History(t.Context(), bus.StreamStatus, "status.*.github", 10)
	require.NoError(t, err)
	require.Len(t, history, 1)
}

func TestWritersOfOneWorkloadNeverLoseAnUpdate(t *testing.T) {
	t.Parallel()
	t.Run("on a single server", func(t *testing.T) {
		t.Parallel()
		s := natstest.Run(t)
		s.Bus(t)
		contend(t, func() *bus.Bus { return s.Connect(t) })
	})
	t.Run("on a cluster of three", func(t *testing.T) {
		t.Parallel()
		c := natstest.RunCluster(t)
		c.Bus(t)
		n := 0
		contend(t, func() *bus.Bus { n++; return c.Connect(t, n%3) })
	})
}

// contend lets 16 writers add 1 to the count in one record, each 10 times.
func contend(t *testing.T, connect func() *bus.Bus) {
	t.Helper()
	const writers, times, filter = 16, 10, "status.*.github"
	var wg sync.WaitGroup
	conflicts := make([]int, writers)
	for w := range writers {
		b := connect()
		wg.Go(func() {
			for done := 0; done < times; {
				switch err := increment(t, b, filter); {
				case err == nil:
					done++
				case errors.Is(err, bus.ErrConflict):
					conflicts[w]++
					<-time.After(rand.N(5 * time.Millisecond)) // as a writer does
				default:
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range conflicts {
		total += n
	}
	require.Positive(t, total, "nobody was in another's way")
	t.Logf("%d writes, %d conflicts", writers*times, total)

	b := connect()
	eventually(t, func() bool {
		m, err := b.Last(t.Context(), bus.StreamStatus, filter)
		if err != nil {
			return false
		}
		r, err := events.ParseStatus(m.Event)
		return err == nil && r.Incidents == writers*times
	}, "every increment counts once")
}

func increment(t *testing.T, b *bus.Bus, filter string) error {
	t.Helper()
	var count int64
	m, err := b.Last(t.Context(), bus.StreamStatus, filter)
	switch {
	case errors.Is(err, bus.ErrNotFound):
	case err != nil:
		return fmt.Errorf("%w: %w", bus.ErrConflict, err) // a replica that is still coming up
	default:
		r, err := events.ParseStatus(m.Event)
		if err != nil {
			return err
		}
		count = r.Incidents
	}
	typ := []string{events.TypeStatusChanged, events.TypeStatusUpdated}[rand.N(2)]
	_, err = b.Write(t.Context(), status(t, typ, "github", count+1), filter, m.Sequence)
	return err
}
