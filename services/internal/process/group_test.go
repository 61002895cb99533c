package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

// journal records what components do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// component drains for the given time after it is told to stop.
func (j *journal) component(name string, drain time.Duration, err error) Component {
	return Component{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		j.add(name + " draining")
		<-time.After(drain)
		j.add(name + " drained")
		return err
	}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestComponentsStopInReverseOrderOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := Group{Log: quiet()}.Run(ctx,
			j.component("admin", time.Second, nil),
			j.component("bus", time.Second, context.Canceled),
			j.component("proxy", time.Second, nil))
		require.NoError(t, err)
		require.Equal(t, []string{
			"proxy draining", "proxy drained", "bus draining", "bus drained", "admin draining", "admin drained",
		}, j.all())
	})
}

func TestAComponentThatFailsBringsTheOthersDownWithItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		err := Group{Log: quiet()}.Run(t.Context(),
			j.component("bus", time.Second, errors.New("on the way out")),
			Component{Name: "status", Run: func(context.Context) error { return io.ErrUnexpectedEOF }})
		require.EqualError(t, err, "status: unexpected EOF")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, []string{"bus draining", "bus drained"}, j.all())
	})
}

func TestAComponentThatReturnsWithoutErrorEndsTheProcessToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		err := Group{Log: quiet()}.Run(t.Context(),
			j.component("bus", 0, nil),
			Component{Name: "demo", Run: func(context.Context) error { return nil }})
		require.NoError(t, err)
		require.Equal(t, []string{"bus draining", "bus drained"}, j.all())
	})
}

func TestAComponentThatHangsIsNamedAndDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := Group{Log: quiet(), stopTimeout: 3 * time.Second}.Run(ctx,
			j.component("bus", time.Second, nil), j.component("notifier", time.Hour, nil))
		require.EqualError(t, err, "notifier did not stop within 3s")
		require.Equal(t, []string{"notifier draining", "bus draining", "bus drained"}, j.all())
		require.Equal(t, 4*time.Second, time.Since(begin))
		<-time.After(2 * time.Hour) // a bubble has to outlive its goroutines
	})
}

func TestAnErrorWithFileAndLineIsNotPrefixed(t *testing.T) {
	t.Parallel()
	located := &config.Error{File: "authwatch.yaml", Line: 3, Path: "proxy.listen", Text: "in use"}
	err := Group{Log: quiet()}.Run(t.Context(), Component{Name: "proxy", Run: func(context.Context) error {
		return located
	}})
	require.EqualError(t, err, "authwatch.yaml:3: proxy.listen: in use")
}
