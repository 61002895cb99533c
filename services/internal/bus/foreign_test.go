package bus_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// everything is the configuration and the state of every stream and consumer.
func everything(t testing.TB, js jetstream.JetStream) string {
	t.Helper()
	var text strings.Builder
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		s, err := js.Stream(t.Context(), info.Config.Name)
		require.NoError(t, err)
		consumers := []string{}
		for c := range s.ListConsumers(t.Context()).Info() {
			line, err := json.Marshal(c.Config)
			require.NoError(t, err)
			consumers = append(consumers, string(line))
		}
		if info.Config.Name == "KV_LEASES" && info.Config.Metadata["authwatch.topology"] != "" {
			info.State = jetstream.StreamState{} // the canary
		}
		line, err := json.Marshal([]any{info.Config, info.State, info.Created, consumers})
		require.NoError(t, err)
		text.Write(line)
	}
	require.NoError(t, list.Err())
	return text.String()
}

func TestProvisioningRefusesWhatItDidNotMakeBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		foreign jetstream.StreamConfig
		want    []string
	}{
		"a stream of one of our names": {
			jetstream.StreamConfig{Name: "STATUS", Subjects: []string{"device.>"}},
			[]string{"provision stream STATUS", "not authwatch's", "device.>"},
		},
		"the last of our names": {
			jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"gone.>"}, Metadata: map[string]string{"team": "other"}},
			[]string{"provision stream DEAD"},
		},
		"a bucket of one of our names": {
			jetstream.StreamConfig{Name: "KV_LEASES", Subjects: []string{"$KV.LEASES.>"}, MaxMsgsPerSubject: 10},
			[]string{"provision bucket LEASES", "not authwatch's"},
		},
		"subjects of ours in another stream": {
			jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"alert.security"}},
			[]string{"provision stream ALERT", "taken by stream AUDIT"},
		},
		"all subjects in another stream": {
			jetstream.StreamConfig{Name: "ALL", Subjects: []string{"*.*.github"}, NoAck: true},
			[]string{"provision stream AUTH", "provision stream STATUS", "provision stream ALERT", "provision stream DEAD", "taken by stream ALL"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t)
			js := jetStream(t, s)
			_, err := js.CreateStream(t.Context(), tt.foreign)
			require.NoError(t, err)
			if subject := strings.ReplaceAll(tt.foreign.Subjects[0], ">", "one"); !strings.Contains(subject, "*") {
				for range 3 {
					_, err = js.Publish(t.Context(), subject, []byte("theirs"))
					require.NoError(t, err)
				}
			}
			before := everything(t, js)
			b := s.Connect(t)
			for _, p := range []bus.Provisioning{{}, {Replicas: 1}, {Force: true}} {
				_, err = b.Apply(t.Context(), p)
				require.ErrorIs(t, err, bus.ErrRefused)
				for _, want := range tt.want {
					require.ErrorContains(t, err, want)
				}
			}
			require.Equal(t, before, everything(t, js))
		})
	}
}

func TestAConsumerThatSomebodyElseMadeIsRefused(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js := jetStream(t, s)
	require.NoError(t, js.DeleteStream(t.Context(), bus.StreamAlert))
	require.NoError(t, js.DeleteConsumer(t.Context(), bus.StreamAuth, bus.DurableStatus))
	_, err := js.CreateConsumer(t.Context(), bus.StreamAuth, jetstream.ConsumerConfig{Durable: bus.DurableStatus, AckPolicy: jetstream.AckExplicitPolicy})
	require.NoError(t, err)
	_, err = b.Apply(t.Context(), bus.Provisioning{})
	require.ErrorContains(t, err, "provision consumer status-v1 of AUTH")
	_, err = js.Stream(t.Context(), bus.StreamAlert)
	require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "nothing was made before that was known")
}

func TestNothingIsWrittenIntoWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	js := jetStream(t, s)
	for _, cfg := range []jetstream.StreamConfig{
		{Name: "KV_LEASES", Subjects: []string{"$KV.LEASES.>"}, AllowDirect: true},
		{Name: "AUTH", Subjects: []string{"auth.>"}, AllowDirect: true},
	} {
		_, err := js.CreateStream(t.Context(), cfg)
		require.NoError(t, err)
	}
	b := s.Connect(t)
	b.Needs("auth.loaded.*")
	eventually(t, func() bool { err := b.Ready(); return err != nil && strings.Contains(err.Error(), "not authwatch's") }, "it says so")
	err := b.Publish(t.Context(), observation(t, events.TypeLoaded, "github", 1))
	require.ErrorIs(t, err, bus.ErrUnavailable, "the event is kept, and published when that is put right")
	require.ErrorContains(t, err, "stream AUTH is not authwatch's")
	_, err = b.Bucket(bus.BucketLeases).Create(t.Context(), "one", []byte("{}"))
	require.ErrorContains(t, err, "stream KV_LEASES is not authwatch's")
	for _, name := range []string{"KV_LEASES", "AUTH"} {
		theirs, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		require.Zero(t, theirs.CachedInfo().State.LastSeq, name)
	}
}

// oldServer says that it is a server of a version, and no more.
func oldServer(t *testing.T, version string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":%q,\"max_payload\":1048576,\"headers\":true}\r\n", version)
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if lines.Text() == "PING" {
						_, _ = c.Write([]byte("PONG\r\n"))
					}
				}
			}()
		}
	}()
	return "nats://" + l.Addr().String()
}

func TestAServerThatIsTooOldIsSaidFirst(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.10.29", "2.9.0", "1.4.1"} {
		b, err := bus.Connect(t.Context(), bus.Options{URL: oldServer(t, version), Name: "test"})
		require.NoError(t, err)
		t.Cleanup(b.Close)
		_, err = b.Plan(t.Context(), bus.Provisioning{})
		require.ErrorIs(t, err, bus.ErrRefused)
		require.ErrorContains(t, err, "authwatch needs nats-server 2.11 or later, this is "+version)
		require.ErrorContains(t, b.Ready(), "this is "+version)
	}
	for _, version := range []string{"2.11.0", "2.11.0-RC.1", "2.15.2", "3.0.0", "dev"} {
		b, err := bus.Connect(t.Context(), bus.Options{URL: oldServer(t, version), Name: "test"})
		require.NoError(t, err)
		t.Cleanup(b.Close)
		require.NotContains(t, b.Ready().Error(), "nats-server")
	}
}

func plan(t testing.TB, b *bus.Bus, p bus.Provisioning) string {
	t.Helper()
	changes, err := b.Plan(t.Context(), p)
	require.NoError(t, err)
	lines := []string{}
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "\n")
}

func TestRaisedLimitsAreKeptUnlessForced(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Bus(t)
	js, cfg := stream(t, s, bus.StreamAuth)
	cfg.MaxAge, cfg.MaxBytes, cfg.Metadata["owner"] = 60*24*time.Hour, 4<<30, "ops"
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	_, deliveries := stream(t, s, "KV_DELIVERIES")
	deliveries.MaxBytes = -1
	_, err = js.UpdateStream(t.Context(), deliveries)
	require.NoError(t, err)

	text := plan(t, b, bus.Provisioning{})
	require.Contains(t, text, "max_age 1440h0m0s is kept (336h0m0s is ours; --force sets it)")
	require.Contains(t, text, "max_bytes 4294967296 is kept")
	require.Contains(t, text, "max_bytes -1 is kept")
	for range 2 {
		require.NoError(t, b.Provision(t.Context(), 1))
	}
	_, kept := stream(t, s, bus.StreamAuth)
	require.Equal(t, cfg.MaxAge, kept.MaxAge)
	require.Equal(t, cfg.MaxBytes, kept.MaxBytes)
	require.Equal(t, "max_age max_bytes", kept.Metadata["authwatch.kept"])
	require.Equal(t, "ops", kept.Metadata["owner"])
	_, deliveries = stream(t, s, "KV_DELIVERIES")
	require.EqualValues(t, -1, deliveries.MaxBytes)

	require.Contains(t, plan(t, b, bus.Provisioning{Force: true}), "max_age 1440h0m0s -> 336h0m0s")
	_, err = b.Apply(t.Context(), bus.Provisioning{Force: true})
	require.NoError(t, err)
	_, forced := stream(t, s, bus.StreamAuth)
	require.Equal(t, 14*24*time.Hour, forced.MaxAge)
	require.NotContains(t, forced.Metadata, "authwatch.kept")
}

func TestAPlanChangesNothingAndSaysEverything(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	b := s.Connect(t)
	eventually(t, func() bool { _, err := b.Plan(t.Context(), bus.Provisioning{}); return err == nil }, "it is connected")
	js := jetStream(t, s)
	text := plan(t, b, bus.Provisioning{})
	for _, want := range []string{"create stream AUTH", "create bucket LEASES", "create consumer status-v1 of AUTH"} {
		require.Contains(t, text, want)
	}
	require.Empty(t, everything(t, js))

	natstest.Provision(t, b, 0)
	before := everything(t, js)
	require.NotContains(t, plan(t, b, bus.Provisioning{}), "update")
	require.NoError(t, b.Provision(t.Context(), 0))
	require.Equal(t, before, everything(t, js))
}

// The client library of other programs makes buckets in the same way.
func TestOurBucketsAreThoseOfTheClientLibrary(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	js := jetStream(t, s)
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: bus.BucketLeases, Description: "who serves what now, and who leads", History: 1, TTL: bus.LeaseTTL, LimitMarkerTTL: time.Minute,
		MaxBytes: 64 << 20, MaxValueSize: 64 << 10, Metadata: map[string]string{"authwatch.topology": "2"},
	})
	require.NoError(t, err)
	b := s.Connect(t)
	eventually(t, func() bool { _, err := b.Plan(t.Context(), bus.Provisioning{}); return err == nil }, "it is connected")
	require.Contains(t, plan(t, b, bus.Provisioning{}), "leave bucket LEASES")
}
