package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// shipped runs a nats-server with the users and permissions that we ship, and
// returns how to log in as one of them.
func shipped(t *testing.T) func(user string) *bus.Bus {
	t.Helper()
	users, err := os.ReadFile("../../../deploy/nats/users.conf")
	require.NoError(t, err)
	var accounts strings.Builder
	for _, user := range []string{"admin", "proxy", "status", "notifier", "operator", "subscriber"} {
		fmt.Fprintf(&accounts, "{user: %s, password: secret, permissions: $MAY_%s}\n", user, strings.ToUpper(user))
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(string(users)+"\naccounts { A: {jetstream: enabled, users: [\n"+accounts.String()+"]}}\n"), 0o600))
	options, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	options.JetStream, options.StoreDir = true, t.TempDir()
	options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(20*time.Second))

	return func(user string) *bus.Bus {
		b, err := bus.Connect(t.Context(), bus.Options{URL: s.ClientURL(), Name: user, User: user, Password: "secret"})
		require.NoError(t, err)
		t.Cleanup(b.Close)
		return b
	}
}

func ready(t *testing.T, b *bus.Bus) {
	t.Helper()
	var err error
	eventually(t, func() bool { err = b.Ready(); return err == nil }, "it is ready")
}

func TestShippedUsersMayDoWhatTheirServicesDo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	login := shipped(t)
	admin := login("admin")
	eventually(t, func() bool { return admin.Provision(ctx, 1) == nil }, "the topology is there")
	nothing := func(bus.Message) error { return nil }

	proxy := login("proxy")
	types := []string{
		events.TypeUnauthorized, events.TypeAuthorized, events.TypeForbidden,
		events.TypeLoaded, events.TypeMissing, events.TypeExpiring, events.TypeRetired,
	}
	for _, typ := range types {
		proxy.Needs(typ + ".*")
		publish(t, proxy, observation(t, typ, "github", 1))
	}
	_, err := proxy.Bucket(bus.BucketLeases).Put(ctx, "proxy.one", []byte("{}"))
	require.NoError(t, err)
	ready(t, proxy)

	recorder := login("status")
	var l log
	background(t, func(ctx context.Context) error {
		return recorder.Consume(ctx, statusConsumer, func(ctx context.Context, m bus.Message) error {
			if m.Sequence == 2 {
				return bus.Terminal(context.DeadlineExceeded)
			}
			return l.handle(ctx, m)
		})
	})
	eventually(t, func() bool { return len(l.all()) == len(types)-1 }, "observations arrive")
	_, err = recorder.Next(ctx, bus.StreamAuth, "auth.*.github", 1, bus.Message{})
	require.NoError(t, err)
	last, err := recorder.Write(ctx, status(t, events.TypeStatusChanged, "github", 1), "status.*.github", 0)
	require.NoError(t, err)
	_, err = recorder.Write(ctx, status(t, events.TypeStatusUpdated, "github", 1), "status.*.github", last)
	require.NoError(t, err)
	recorder.Needs(bus.DeadSubject("status"))
	ready(t, recorder)
	watch(t, recorder.Bucket(bus.BucketLeases), "proxy.*").has(t, "proxy.one")

	notifier := login("notifier")
	for _, b := range []*bus.Bus{recorder, notifier} {
		_, err = b.Last(ctx, bus.StreamStatus, "status.*.github")
		require.NoError(t, err)
		_, err = b.History(ctx, bus.StreamStatus, "status.changed.github", 10)
		require.NoError(t, err)
		require.NoError(t, b.Each(ctx, bus.StreamStatus, "status.*.*", 0, true, nothing))
		require.NoError(t, b.Each(ctx, bus.StreamStatus, "status.*.*", 1, false, nothing))
		stop := fmt.Errorf("enough")
		require.ErrorIs(t, b.Follow(ctx, bus.StreamStatus, "status.*.*", 1, func(bus.Message) error { return stop }), stop)
	}
	for _, workload := range []string{"github", ""} { // a digest is about no single workload
		e, err := events.New(events.TypeAlertDelivered, "urn:authwatch:notifier", workload, time.Now(), events.Receipt{Receiver: "ops"})
		require.NoError(t, err)
		publish(t, notifier, e)
	}
	_, err = recorder.History(ctx, bus.StreamAlert, "alert.*.github", 10)
	require.NoError(t, err)
	for name, key := range map[string]string{bus.BucketDeliveries: "row.ops.github", bus.BucketLeases: "notifier"} {
		k := notifier.Bucket(name)
		revision, err := k.Create(ctx, key, []byte("a"))
		require.NoError(t, err)
		_, err = k.Update(ctx, key, []byte("b"), revision)
		require.NoError(t, err)
		_, err = k.Get(ctx, key)
		require.NoError(t, err)
		watch(t, k, key).has(t, key)
		require.NoError(t, k.Delete(ctx, key))
	}
	ready(t, notifier)

	operator := login("operator")
	silences := operator.Bucket(bus.BucketSilences)
	_, err = silences.Create(ctx, "one", []byte("{}"))
	require.NoError(t, err)
	watch(t, notifier.Bucket(bus.BucketSilences), ">").has(t, "one")
	watch(t, silences, ">").has(t, "one")
	require.NoError(t, silences.Delete(ctx, "one"))
	for _, typ := range []string{events.TypeRetired, events.TypeAcknowledged} {
		publish(t, operator, observation(t, typ, "github", 1))
	}
	for _, b := range []*bus.Bus{operator, notifier} {
		e, err := events.New(events.TypeAlertSilenced, "urn:authwatch:person", "", time.Now(), events.Silence{ID: "one"})
		require.NoError(t, err)
		publish(t, b, e)
		_, err = b.Bucket(bus.BucketSilences).Put(ctx, "two", []byte("{}"))
		require.NoError(t, err)
	}
	watch(t, recorder.Bucket(bus.BucketSilences), ">").has(t, "two")
	_, err = operator.Last(ctx, bus.StreamStatus, "status.*.github")
	require.NoError(t, err)
	served, err := operator.Bucket(bus.BucketLeases).Entries(ctx, "proxy.*")
	require.NoError(t, err)
	require.Len(t, served, 1)
	ready(t, operator)

	serve(t, notifier, bus.CommandNotifier+".*", func(_ context.Context, subject string, data []byte) []byte {
		return append([]byte(subject+" "), data...)
	})
	for _, verb := range []string{"test", "test", "replay"} {
		var answer []byte
		eventually(t, func() bool {
			answer, err = operator.Request(ctx, bus.CommandNotifier+"."+verb, []byte("ops"))
			return !errors.Is(err, bus.ErrNobodyServes)
		}, "the notifier serves")
		require.NoError(t, err)
		require.Equal(t, bus.CommandNotifier+"."+verb+" ops", string(answer))
	}
	for _, user := range []string{"proxy", "status", "subscriber"} {
		b := login(user)
		eventually(t, func() bool { return !errors.Is(b.Ready(), bus.ErrUnavailable) }, "%s is connected", user)
		_, err := b.Request(ctx, bus.CommandNotifier+".test", nil)
		require.ErrorIs(t, err, bus.ErrRefused, user)
	}
}

func (m *mirror) has(t *testing.T, key string) {
	t.Helper()
	eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, ok := m.values[key]
		return ok
	}, "%s is seen", key)
}
