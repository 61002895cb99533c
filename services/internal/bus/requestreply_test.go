package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

type handler func(ctx context.Context, subject string, data []byte) []byte

// serve serves a subject until the test stops it, and returns how to.
func serve(t *testing.T, b *bus.Bus, subject string, h handler) (stop func() error) {
	t.Helper()
	return background(t, func(ctx context.Context) error { return b.Serve(ctx, subject, h) })
}

func TestRequestIsAnsweredByWhoServesItsSubject(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	server, client := s.Connect(t), s.Connect(t)
	serve(t, server, "command.notifier.*", func(_ context.Context, subject string, data []byte) []byte {
		return fmt.Appendf(nil, "%s: %s", subject, data)
	})
	for n := range 100 {
		eventually(t, func() bool {
			answer, err := client.Request(t.Context(), "command.notifier.test", fmt.Append(nil, n))
			return err == nil && string(answer) == fmt.Sprintf("command.notifier.test: %d", n)
		}, "request %d is answered", n)
	}
}

func TestRequestThatNobodyServesSaysSoAtOnce(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	_, err := b.Request(t.Context(), "command.notifier.test", nil)
	require.ErrorIs(t, err, bus.ErrNobodyServes)
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.ErrorContains(t, err, "command.notifier.test")
}

func TestRequestThatIsNotAnsweredIsNotOneThatNobodyReceived(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	release := make(chan struct{})
	serve(t, b, "command.notifier.test", func(context.Context, string, []byte) []byte {
		cancel(errors.New("somebody received it"))
		<-release
		return nil
	})
	defer close(release)
	var err error
	eventually(t, func() bool {
		_, err = b.Request(ctx, "command.notifier.test", nil)
		return !errors.Is(err, bus.ErrNobodyServes)
	}, "somebody serves")
	require.ErrorIs(t, err, bus.ErrUnavailable)
}

func TestServingOutlivesTheServer(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Listen())
	b := s.Connect(t)
	var served atomic.Int64
	serve(t, b, "command.notifier.test", func(context.Context, string, []byte) []byte {
		return fmt.Append(nil, served.Add(1))
	})
	answered := func() bool {
		answer, err := b.Request(t.Context(), "command.notifier.test", nil)
		return err == nil && string(answer) == fmt.Sprint(served.Load())
	}
	eventually(t, answered, "it is answered")
	s.Restart()
	eventually(t, answered, "it is answered again")
}

func TestServeWaitsForTheAnswersInProgress(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	began, release := make(chan struct{}, 16), make(chan struct{})
	stop := serve(t, b, "command.notifier.test", func(ctx context.Context, _ string, _ []byte) []byte {
		began <- struct{}{}
		<-ctx.Done()
		<-release
		return []byte("done")
	})
	answer := make(chan []byte, 1)
	go func() {
		for {
			data, err := b.Request(t.Context(), "command.notifier.test", nil)
			if !errors.Is(err, bus.ErrNobodyServes) {
				answer <- data
				return
			}
		}
	}()
	<-began
	stopped := make(chan struct{})
	go func() { _ = stop(); close(stopped) }()
	eventually(t, func() bool {
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := b.Request(soon, "command.notifier.test", nil)
		return errors.Is(err, bus.ErrNobodyServes)
	}, "no further request is taken")
	close(release)
	require.Equal(t, "done", string(<-answer))
	<-stopped
}

func TestSubjectThatMayNotBeServedIsSaidInTheLog(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Users(
		natsd.User{Name: "admin", Password: "secret"},
		natsd.User{Name: "deaf", Password: "secret", Publish: []string{">"}, Subscribe: []string{"_INBOX_deaf.>"}}))
	var text syncBuffer
	b := s.Connect(t, as(s, "deaf"), func(o *bus.Options) { o.Log = slog.New(slog.NewTextHandler(&text, nil)) })
	serve(t, b, "command.notifier.test", func(context.Context, string, []byte) []byte { return nil })
	eventually(t, func() bool {
		return strings.Contains(text.String(), "no permission to subscribe to command.notifier.test")
	}, "it is said")
	_, err := s.Connect(t, as(s, "admin")).Request(t.Context(), "command.notifier.test", nil)
	require.ErrorIs(t, err, bus.ErrUnavailable)
}

// syncBuffer is written to and read at the same time.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
