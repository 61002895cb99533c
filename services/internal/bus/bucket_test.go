package bus_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestKeysAreWrittenByRevision(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := natstest.Bus(t).Bucket(bus.BucketDeliveries)

	_, err := k.Get(ctx, "ops.github")
	require.ErrorIs(t, err, bus.ErrNotFound)
	first, err := k.Create(ctx, "ops.github", []byte("a"))
	require.NoError(t, err)
	_, err = k.Create(ctx, "ops.github", []byte("b"))
	require.ErrorIs(t, err, bus.ErrConflict)
	second, err := k.Update(ctx, "ops.github", []byte("c"), first)
	require.NoError(t, err)
	_, err = k.Update(ctx, "ops.github", []byte("d"), first)
	require.ErrorIs(t, err, bus.ErrConflict)

	e, err := k.Get(ctx, "ops.github")
	require.NoError(t, err)
	require.Equal(t, "c", string(e.Value))
	require.Equal(t, second, e.Revision)
	require.Equal(t, "ops.github", e.Key)

	require.NoError(t, k.Delete(ctx, "ops.github"))
	_, err = k.Get(ctx, "ops.github")
	require.ErrorIs(t, err, bus.ErrNotFound)
	_, err = k.Create(ctx, "ops.github", []byte("e"))
	require.NoError(t, err, "a deleted key can be created again")
	_, err = k.Put(ctx, "ops.gitlab", []byte("f"))
	require.NoError(t, err)
	_, err = k.Put(ctx, "ops.gone", nil)
	require.NoError(t, err)
	require.NoError(t, k.Delete(ctx, "ops.gone"))
	m := watch(t, k, ">")
	eventually(t, func() bool { return m.is(map[string]string{"ops.github": "e", "ops.gitlab": "f"}) }, "these exist")
}

// mirror is what a watcher believes.
type mirror struct {
	mu      sync.Mutex
	values  map[string]string
	entries int
	current int
}

func (m *mirror) take(e bus.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries++
	if e.Deleted {
		delete(m.values, e.Key)
		return
	}
	m.values[e.Key] = string(e.Value)
}

func (m *mirror) caughtUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current++
}

func (m *mirror) is(want map[string]string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(want) != len(m.values) {
		return false
	}
	for k, v := range want {
		if m.values[k] != v {
			return false
		}
	}
	return true
}

func watch(t *testing.T, k *bus.Bucket, filter string) *mirror {
	t.Helper()
	m := &mirror{values: map[string]string{}}
	background(t, func(ctx context.Context) error {
		return k.Watch(ctx, filter, m.take, bus.OnCurrent(m.caughtUp))
	})
	return m
}

func TestWatchTellsWhatIsAndWhatChanges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := natstest.Bus(t).Bucket(bus.BucketDeliveries)
	for _, v := range []string{"a", "b"} {
		_, err := k.Put(ctx, "ops.github", []byte(v))
		require.NoError(t, err)
	}
	_, err := k.Put(ctx, "chat.github", []byte("c"))
	require.NoError(t, err)

	m := watch(t, k, "ops.*")
	eventually(t, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.current == 1 }, "it catches up")
	require.True(t, m.is(map[string]string{"ops.github": "b"}))
	require.Equal(t, 1, m.entries)

	_, err = k.Put(ctx, "ops.gitlab", []byte("d"))
	require.NoError(t, err)
	require.NoError(t, k.Delete(ctx, "ops.github"))
	eventually(t, func() bool { return m.is(map[string]string{"ops.gitlab": "d"}) }, "changes arrive")
}

func TestWatchOfAnEmptyBucketIsCurrentAtOnce(t *testing.T) {
	t.Parallel()
	m := watch(t, natstest.Bus(t).Bucket(bus.BucketSilences), ">")
	eventually(t, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.current == 1 }, "it is current")
	require.Zero(t, m.entries)
}

func TestWatchGoesOnAfterTheBrokerRestarts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := natstest.Run(t)
	k := s.Bus(t).Bucket(bus.BucketDeliveries)
	put := func(key, value string) {
		eventually(t, func() bool { _, err := k.Put(ctx, key, []byte(value)); return err == nil }, "put %s", key)
	}
	put("ops.github", "a")
	put("ops.gitlab", "a")
	m := watch(t, k, ">")
	eventually(t, func() bool { return m.is(map[string]string{"ops.github": "a", "ops.gitlab": "a"}) }, "it runs")
	for _, v := range []string{"b", "c", "d"} {
		s.Restart()
		put("ops.github", v)
		eventually(t, func() bool { return m.is(map[string]string{"ops.github": v, "ops.gitlab": "a"}) }, "it sees %s", v)
	}
	require.Equal(t, 5, m.entries, "what did not change is not told again")
}

func TestWatchTellsOfAKeyThatVanishedWhileItWasInterrupted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := natstest.Run(t)
	k := s.Bus(t).Bucket(bus.BucketDeliveries)
	for _, key := range []string{"ops.github", "ops.gitlab"} {
		_, err := k.Put(ctx, key, []byte("a"))
		require.NoError(t, err)
	}
	m := watch(t, k, ">")
	eventually(t, func() bool { return m.is(map[string]string{"ops.github": "a", "ops.gitlab": "a"}) }, "it runs")

	s.Stop()
	meanwhile, err := natsd.Start(natsd.Options{Dir: s.Dir(), NoSync: true})
	require.NoError(t, err)
	defer meanwhile.Shutdown()
	nc, err := nats.Connect("", nats.InProcessServer(meanwhile))
	require.NoError(t, err)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(ctx, "KV_"+bus.BucketDeliveries)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(ctx, jetstream.WithPurgeSubject("$KV.DELIVERIES.ops.github")))
	nc.Close()
	meanwhile.Shutdown()

	s.Restart()
	eventually(t, func() bool { return m.is(map[string]string{"ops.gitlab": "a"}) }, "it sees that one is gone")
}

func TestWatchIsCurrentAlthoughWhatWasPendingRanOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := natstest.Run(t)
	b := s.Bus(t)
	js := jetStream(t, s)
	_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHORT", TTL: 2 * time.Second})
	require.NoError(t, err)
	k := b.Bucket("SHORT")
	const keys = 1500 // more than are fetched ahead
	parallel(16, keys, func(i int) {
		_, err := k.Put(ctx, strconv.Itoa(i), []byte("a"))
		require.NoError(t, err)
	})
	stored, err := js.Stream(ctx, "KV_SHORT")
	require.NoError(t, err)

	current := make(chan int, 1)
	n := 0
	background(t, func(ctx context.Context) error {
		return k.Watch(ctx, ">", func(bus.Entry) {
			if n++; n == 1 {
				eventually(t, func() bool {
					info, err := stored.Info(ctx)
					return err == nil && info.State.Msgs == 0
				}, "all run out")
			}
		}, bus.OnCurrent(func() { current <- n }))
	})
	require.Less(t, <-current, keys)
}

func TestWatchTellsOfAKeyThatRanOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := natstest.Run(t)
	b := s.Bus(t)
	js := jetStream(t, s)
	_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "SHORT", TTL: time.Second, LimitMarkerTTL: time.Minute})
	require.NoError(t, err)
	k := b.Bucket("SHORT")
	first, err := k.Create(ctx, "leader", []byte("a"))
	require.NoError(t, err)
	m := watch(t, k, ">")
	eventually(t, func() bool { return m.is(map[string]string{"leader": "a"}) }, "it is there")
	eventually(t, func() bool { return m.is(map[string]string{}) }, "it is gone")
	_, err = k.Get(ctx, "leader")
	require.ErrorIs(t, err, bus.ErrNotFound)
	_, err = k.Update(ctx, "leader", []byte("a"), first)
	require.ErrorIs(t, err, bus.ErrConflict)
	_, err = k.Create(ctx, "leader", []byte("b"))
	require.NoError(t, err, "it can be created again")
}
