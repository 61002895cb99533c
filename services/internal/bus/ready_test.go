package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// service is a bus as a service uses it: it needs everything and makes nothing.
func service(t *testing.T, s *natstest.Server) *bus.Bus {
	t.Helper()
	b := s.Connect(t)
	b.Needs("auth.loaded.*", "status.changed.*", "alert.delivered.*", bus.DeadSubject("status"))
	b.NeedsBuckets(bus.BucketDeliveries, bus.BucketSilences)
	background(t, func(ctx context.Context) error { return b.Consume(ctx, statusConsumer, new(log).handle) })
	ready(t, b)
	return b
}

func unready(t *testing.T, b *bus.Bus, why string) {
	t.Helper()
	eventually(t, func() bool { err := b.Ready(); return err != nil && strings.Contains(err.Error(), why) }, "not ready: %s", why)
}

func TestReadyNamesWhatIsGone(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{
		bus.StreamAuth, bus.StreamStatus, bus.StreamAlert, bus.StreamDead,
		"KV_" + bus.BucketLeases, "KV_" + bus.BucketDeliveries, "KV_" + bus.BucketSilences,
	} {
		t.Run(gone, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t)
			admin := s.Bus(t)
			admin.Close()
			b := service(t, s)
			js := jetStream(t, s)
			require.NoError(t, js.DeleteStream(t.Context(), gone))
			unready(t, b, "stream "+gone+" is not there")
			time.AfterFunc(2*time.Second, func() { natstest.Provision(t, s.Connect(t), 0) })
			ready(t, b)
		})
	}
}

func TestReadyNamesAConsumerThatIsGone(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	s.Bus(t).Close()
	b := service(t, s)
	require.NoError(t, jetStream(t, s).DeleteConsumer(t.Context(), bus.StreamAuth, bus.DurableStatus))
	unready(t, b, "consumer status-v1 of stream AUTH is not there")
	natstest.Provision(t, s.Connect(t), 0)
	ready(t, b)
}

func TestAFullStreamIsNotReady(t *testing.T) {
	t.Parallel()
	for _, name := range []string{bus.StreamAuth, bus.StreamStatus, bus.StreamAlert} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t)
			s.Bus(t).Close()
			b := service(t, s)
			publish(t, b, status(t, events.TypeStatusChanged, "github", 1))
			publish(t, b, observation(t, events.TypeLoaded, "github", 1))
			js, cfg := stream(t, s, name)
			cfg.MaxBytes = 10
			_, err := js.UpdateStream(t.Context(), cfg)
			require.NoError(t, err)
			_, _ = js.Publish(t.Context(), "alert.x", nil) // nothing of the bus's own
			if name == bus.StreamAuth {
				require.ErrorIs(t, b.Publish(t.Context(), observation(t, events.TypeLoaded, "github", 2)), bus.ErrFull)
			}
			if name == bus.StreamAlert {
				e, err := events.New(events.TypeAlertDelivered, "urn:authwatch:notifier", "github", time.Now(), events.Receipt{Receiver: "ops"})
				require.NoError(t, err)
				require.ErrorIs(t, b.Publish(t.Context(), e), bus.ErrFull)
			}
			unready(t, b, "stream "+name+" is full")
		})
	}
}

func TestAStreamThatTakesNoWritesIsNotReady(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	s.Bus(t).Close()
	b := service(t, s)
	js, cfg := stream(t, s, bus.StreamAuth)
	cfg.Subjects = []string{"auth.loaded.nobody"} // it is there, and does not listen
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			_ = b.Publish(ctx, observation(t, events.TypeLoaded, "github", 1))
		}
		return nil
	})
	unready(t, b, "stream AUTH acknowledges no write")
}

func TestWhatWasDeletedIsPutBackAndToldByWhoProvisioned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		bus.StreamAuth, bus.StreamStatus, bus.StreamAlert, bus.StreamDead,
		"KV_" + bus.BucketLeases, "KV_" + bus.BucketDeliveries, "KV_" + bus.BucketSilences,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t)
			b := s.Bus(t)
			ready(t, b)
			gone := make(chan struct{}, 1)
			b.OnReset(name, func() { gone <- struct{}{} })
			js := jetStream(t, s)
			require.NoError(t, js.DeleteStream(t.Context(), name))
			eventually(t, func() bool { _, err := js.Stream(t.Context(), name); return err == nil }, "it is back")
			select {
			case <-gone:
			case <-time.After(20 * time.Second):
				t.Fatal("nobody said that it was made anew")
			}
		})
	}
}

func TestAPurgeIsTold(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	publish(t, b, status(t, events.TypeStatusChanged, "github", 1))
	gone := make(chan struct{}, 10)
	stop := b.OnReset(bus.StreamStatus, func() { gone <- struct{}{} })
	js := jetStream(t, s)
	found, err := js.Stream(t.Context(), bus.StreamStatus)
	require.NoError(t, err)
	eventually(t, func() bool {
		publish(t, b, status(t, events.TypeStatusChanged, "github", time.Now().UnixNano()))
		require.NoError(t, found.Purge(t.Context()))
		return len(gone) > 0
	}, "it is told")
	stop()
}
