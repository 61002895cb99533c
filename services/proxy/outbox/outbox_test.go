package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/proxy/outbox"
)

var (
	errAway    = errors.New("away")
	errRefused = errors.New("refused")
)

// broker stores what it is sent, while it is there.
type broker struct {
	mu     sync.Mutex
	err    map[string]error // by workload; "" is for all
	stored []string         // workload and id
}

func (b *broker) Publish(_ context.Context, e event.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range []string{"", e.Subject()} {
		if err := b.err[key]; err != nil {
			return err
		}
	}
	b.stored = append(b.stored, e.Subject()+" "+e.ID())
	return nil
}

func (b *broker) answer(workload string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = map[string]error{workload: err}
}

func (b *broker) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.stored...)
}

func open(t *testing.T, dir string, b *broker) (*outbox.Outbox, func()) {
	t.Helper()
	o, err := outbox.Open(outbox.Options{
		Dir: dir, Publisher: b, Log: slog.New(slog.DiscardHandler),
		Refused: func(err error) bool { return errors.Is(err, errRefused) },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(stop)
	return o, stop
}

func fact(t *testing.T, workload string) event.Event {
	t.Helper()
	e, err := events.New(events.TypeUnauthorized, "urn:authwatch:proxy:test", workload, time.Now(), events.Observation{Workload: workload})
	require.NoError(t, err)
	return e
}

func names(all ...event.Event) []string {
	var out []string
	for _, e := range all {
		out = append(out, e.Subject()+" "+e.ID())
	}
	return out
}

func TestEventsOfAWorkloadArriveInOrderAfterAnOutage(t *testing.T) {
	t.Parallel()
	b := &broker{}
	b.answer("", errAway)
	o, _ := open(t, t.TempDir(), b)
	var want []string
	for range 20 {
		e := fact(t, "a")
		want = append(want, names(e)...)
		o.Add(e)
	}
	require.Eventually(t, func() bool { return o.Stats().Retries > 1 }, 5*time.Second, time.Millisecond)
	b.answer("", nil)
	require.Eventually(t, func() bool { return o.Stats().Held == 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, want, b.got())
}

func TestWhatIsNotAcknowledgedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &broker{}
	b.answer("", errAway)
	first, stop := open(t, dir, b)
	one, two := fact(t, "a"), fact(t, "b")
	first.Add(one)
	first.Add(two)
	stop()

	after := &broker{}
	second, _ := open(t, dir, after)
	require.Eventually(t, func() bool { return second.Stats().Held == 0 }, 5*time.Second, time.Millisecond)
	require.ElementsMatch(t, names(one, two), after.got())
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "outbox.jsonl"))
		return err == nil && len(text) == 0
	}, 5*time.Second, time.Millisecond)
}

func TestAnEventIsInTheFileWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &broker{}
	b.answer("", errAway)
	o, _ := open(t, dir, b)
	e := fact(t, "a")
	o.Add(e)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "outbox.jsonl"))
		return err == nil && strings.Contains(string(text), e.ID())
	}, 5*time.Second, time.Millisecond)
}

func TestNothingIsLeftWhenTheBrokerIsWell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &broker{}
	o, stop := open(t, dir, b)
	for i := range 50 {
		o.Add(fact(t, fmt.Sprint("w", i)))
	}
	require.Eventually(t, func() bool { return len(b.got()) == 50 }, 5*time.Second, time.Millisecond)
	stop()
	text, err := os.ReadFile(filepath.Join(dir, "outbox.jsonl"))
	if !errors.Is(err, os.ErrNotExist) { // an acknowledgement may have been slow
		require.NoError(t, err)
		require.Empty(t, text)
	}
}

func TestTheFirstAndTheLatestStayWhenTooManyAreHeld(t *testing.T) {
	t.Parallel()
	b := &broker{}
	b.answer("", errAway)
	o, _ := open(t, t.TempDir(), b)
	first, last := fact(t, "a"), fact(t, "a")
	o.Add(first)
	for range 1000 {
		o.Add(fact(t, "a"))
	}
	o.Add(last)
	require.Equal(t, 64, o.Stats().Held)
	b.answer("", nil)
	require.Eventually(t, func() bool { return o.Stats().Held == 0 }, 10*time.Second, time.Millisecond)
	got := b.got()
	require.Equal(t, names(first), got[:1])
	require.Equal(t, names(last), got[len(got)-1:])
}

func TestARefusedWorkloadDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := &broker{}
	b.answer("denied", errRefused)
	o, _ := open(t, t.TempDir(), b)
	for range 3 {
		o.Add(fact(t, "denied"))
	}
	e := fact(t, "fine")
	o.Add(e)
	require.Eventually(t, func() bool { return len(b.got()) == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, names(e), b.got())
	require.Equal(t, 3, o.Stats().Held)
}

func TestALineThatCannotBeReadIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, err := events.Marshal(fact(t, "a"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "outbox.jsonl"), append([]byte("{half\n"), good.Data...), 0o600))
	b := &broker{}
	open(t, dir, b)
	require.Eventually(t, func() bool { return len(b.got()) == 1 }, 5*time.Second, time.Millisecond)
	bad, err := os.ReadFile(filepath.Join(dir, "outbox.jsonl.bad"))
	require.NoError(t, err)
	require.Contains(t, string(bad), "{half")
}
