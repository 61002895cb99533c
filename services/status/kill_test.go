package status

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// childURL makes this binary a status process on the server that it names.
const childURL = "STATUS_TEST_NATS_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(url string) error {
	b, err := bus.Connect(context.Background(), bus.Options{URL: url, Name: "status"})
	if err != nil {
		return err
	}
	s, err := New(Options{Config: Config{Listen: "127.0.0.1:0"}, Bus: b})
	if err != nil {
		return err
	}
	return s.Run(context.Background())
}

func TestKilledProcessLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	kills := 5
	if soak {
		kills = 200
	}
	server := natstest.Run(t, natstest.Listen())
	b := server.Bus(t)
	const workloads = 12
	random := rand.New(rand.NewPCG(1, 2))

	ctx, stop := context.WithCancel(t.Context())
	var publishing errgroup.Group
	publishing.Go(func() error { return publishUntil(ctx, b, workloads) })
	for range kills {
		life := time.Duration(20+random.IntN(400)) * time.Millisecond
		p := spawn(t, server.ClientURL())
		<-time.After(life)
		require.NoError(t, p.Process.Kill())
		_ = p.Wait()
	}
	stop()
	require.NoError(t, publishing.Wait())

	s := start(t, b)
	history := &tape{now: time.Now()}
	require.NoError(t, b.Each(t.Context(), bus.StreamAuth, "auth.>", 1, false, func(m bus.Message) error {
		history.auth = append(history.auth, m)
		return nil
	}))
	t.Logf("%d observations, %d kills", len(history.auth), kills)
	for w := range workloads {
		name := fmt.Sprintf("workload-%d", w)
		want, transitions := plainHistory(history, name)
		require.NotEmpty(t, transitions)
		require.Eventually(t, func() bool {
			v, _ := s.view.get(name)
			return v.record.Observed != nil && v.record.Observed.Sequence >= want.Observed.Sequence
		}, 30*time.Second, 10*time.Millisecond)
		v, _ := s.view.get(name)
		require.Equal(t, want, v.record)
		if len(transitions) > 100 {
			transitions = transitions[len(transitions)-100:] // what the stream keeps
		}
		written, err := b.History(t.Context(), bus.StreamStatus, "status.changed."+name, 100)
		require.NoError(t, err)
		require.Len(t, written, len(transitions))
		for i, m := range written {
			r, err := events.ParseStatus(m.Event)
			require.NoError(t, err)
			require.Equal(t, transitions[len(transitions)-1-i], r)
		}
	}
}

func spawn(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	p := exec.CommandContext(t.Context(), exe)
	p.Env = append(os.Environ(), childURL+"="+url)
	p.Stderr = os.Stderr
	require.NoError(t, p.Start())
	return p
}

// publishUntil lets every workload's credential be rejected and accepted in turn,
// and replaced at times.
func publishUntil(ctx context.Context, b *bus.Bus, workloads int) error {
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		name, round := fmt.Sprintf("workload-%d", i%workloads), i/workloads
		token := fmt.Sprintf("t%d", 1+round/6%4)
		typ := []string{events.TypeLoaded, events.TypeAuthorized, events.TypeUnauthorized}[round%3]
		e, err := observation(typ, name, token)
		if err != nil {
			return err
		}
		if err := b.Publish(context.WithoutCancel(ctx), e); err != nil {
			return err
		}
	}
}
