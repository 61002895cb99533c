package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// The test binary is a notifier when this is set: the address of its broker,
// and the URL of its receiver.
const envChild = "AUTHWATCH_NOTIFIER_CHILD"

type child struct{ Broker, Receiver, Instance string }

func TestMain(m *testing.M) {
	if text := os.Getenv(envChild); text != "" {
		if err := runChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := bus.Connect(ctx, bus.Options{URL: c.Broker, Name: c.Instance, Log: log})
	if err != nil {
		return err
	}
	defer b.Close()
	ops := receiver.Config{Name: "ops", Webhook: &receiver.Webhook{URL: config.Secret(c.Receiver)}}
	n, err := New(Options{Config: one(ops), Instance: c.Instance, Bus: b, Log: log})
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// spawn runs a notifier as a process of its own.
func spawn(t testing.TB, c child) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"="+string(text))
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	return cmd
}

// kill ends a process and reaps it.
func kill(t testing.TB, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(s))
	err := cmd.Wait()
	if s == syscall.SIGTERM {
		require.NoError(t, err)
	}
}

func TestKilledAgainAndAgainNothingIsLostAndAtMostOneMessageRepeated(t *testing.T) {
	t.Parallel()
	kills := 3
	if os.Getenv("SOAK") == "1" {
		kills = 200
	}
	server := natstest.Run(t, natstest.Listen())
	s := &stage{t: t, bus: server.Bus(t), truth: map[string]events.Record{}}
	ops := s.sink()
	c := child{Broker: server.ClientURL(), Receiver: ops.URL, Instance: "child"}

	n := 0
	die := func() {
		s.die(fmt.Sprintf("w%05d", n))
		n++
	}
	for k := range kills {
		cmd := spawn(t, c)
		heard := len(ops.accepted())
		for range 30 {
			die()
		}
		after := heard + 1 + rand.IntN(20)
		require.Eventually(t, func() bool { return len(ops.accepted()) >= after }, 20*time.Second, time.Millisecond, "after %d kills", k)
		kill(t, cmd, syscall.SIGKILL)
	}
	cmd := spawn(t, c)
	defer kill(t, cmd, syscall.SIGTERM)
	told := map[string]map[string]int{}
	require.Eventually(t, func() bool {
		told = map[string]map[string]int{}
		for _, a := range ops.accepted() {
			for _, w := range a.workloads() {
				if told[w] == nil {
					told[w] = map[string]int{}
				}
				told[w][a.id]++
			}
		}
		return len(told) == n
	}, time.Minute, 10*time.Millisecond)
	repeats := 0
	for w, ids := range told {
		require.Len(t, ids, 1, "%s was told by more than one id", w)
		for _, times := range ids {
			repeats += times - 1
		}
	}
	t.Logf("%d kills, %d messages, %d repeats", kills, n, repeats)
	require.LessOrEqual(t, repeats, kills)
}

func TestTerminatedUnderLoadNothingIsRepeated(t *testing.T) {
	t.Parallel()
	server := natstest.Run(t, natstest.Listen())
	s := &stage{t: t, bus: server.Bus(t), truth: map[string]events.Record{}}
	ops := s.sink()
	c := child{Broker: server.ClientURL(), Receiver: ops.URL, Instance: "child"}
	n := 0
	for range 3 {
		cmd := spawn(t, c)
		heard := len(ops.accepted())
		for range 100 {
			s.die(fmt.Sprintf("w%05d", n))
			n++
		}
		require.Eventually(t, func() bool { return len(ops.accepted()) > heard+10 }, 20*time.Second, time.Millisecond)
		kill(t, cmd, syscall.SIGTERM)
	}
	cmd := spawn(t, c)
	defer kill(t, cmd, syscall.SIGTERM)
	require.Eventually(t, func() bool { return len(ops.accepted()) >= n }, 20*time.Second, 10*time.Millisecond)
	ids := map[string]bool{}
	for _, a := range ops.accepted() {
		require.False(t, ids[a.id], "%s was repeated", a.id)
		ids[a.id] = true
	}
	require.Len(t, ids, n)
}
