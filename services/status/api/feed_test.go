package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

func message(t *testing.T, sequence uint64) bus.Message {
	t.Helper()
	e, err := events.New(events.TypeStatusChanged, "urn:authwatch:status", "github", time.Now(), events.Record{Workload: "github", Status: events.StatusRunning})
	require.NoError(t, err)
	return bus.Message{Event: e, Sequence: sequence}
}

func TestListenerGetsEveryFrameInOrder(t *testing.T) {
	t.Parallel()
	f := NewFeed()
	f.Skip(7)
	frames, last := f.listen()
	require.EqualValues(t, 7, last)
	for i := range uint64(3) {
		require.NoError(t, f.Send(message(t, 8+i)))
	}
	for i := range uint64(3) {
		require.Equal(t, 8+i, (<-frames).sequence)
	}
	f.leave(frames)
	f.leave(frames)
	_, open := <-frames
	require.False(t, open)
}

func TestSlowListenerIsSentAwayAndDelaysNobody(t *testing.T) {
	t.Parallel()
	f := NewFeed()
	slow, _ := f.listen()
	quick, _ := f.listen()
	const frames = backlog + 10
	for i := range uint64(frames) {
		require.NoError(t, f.Send(message(t, i+1)))
		require.Equal(t, i+1, (<-quick).sequence)
	}
	n := 0
	for range slow {
		n++
	}
	require.Equal(t, backlog, n, "what fitted, then the end")
	_, last := f.listen()
	require.EqualValues(t, frames, last)
}

// stored is a stream that is ahead of the process's own follower.
type stored []bus.Message

func (s stored) History(context.Context, string, string, int) ([]bus.Message, error) { return nil, nil }

func (s stored) Each(_ context.Context, _, _ string, from uint64, _ bool, fn func(bus.Message) error) error {
	for _, m := range s {
		if m.Sequence >= from {
			if err := fn(m); err != nil {
				return err
			}
		}
	}
	return nil
}

type empty struct{}

func (empty) Workloads() []Workload            { return nil }
func (empty) Workload(string) (Workload, bool) { return Workload{}, false }
func (empty) Ready() error                     { return nil }

func TestResumedFeedSendsEveryEventOnce(t *testing.T) {
	t.Parallel()
	var all stored
	for i := range uint64(5) {
		all = append(all, message(t, i+1))
	}
	feed := NewFeed()
	feed.Skip(3)
	s := httptest.NewServer(New(empty{}, all, feed, nil).Handler())
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/events", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", "1")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()

	lines := bufio.NewScanner(res.Body)
	ids := []string{}
	for len(ids) < 6 && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if ids = append(ids, id); id == "5" { // what was replayed; now the follower catches up
				for i := range uint64(4) {
					require.NoError(t, feed.Send(message(t, 4+i)))
				}
			}
		}
	}
	require.Equal(t, []string{"2", "3", "4", "5", "6", "7"}, ids)
}

func TestFeedRefusesAnIDThatIsNoSequence(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/events", nil)
	r.Header.Set("Last-Event-ID", "yesterday")
	New(empty{}, stored{}, NewFeed(), nil).Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
}

func TestAReplayIsReadInPiecesAndComesWhole(t *testing.T) {
	t.Parallel()
	var all stored
	for i := range uint64(1000) {
		all = append(all, message(t, i+1))
	}
	feed := NewFeed()
	feed.Skip(1000)
	a := New(empty{}, all, feed, nil)
	frames, more, err := a.read(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, more)
	size := 0
	for _, f := range frames {
		size += len(f.data)
	}
	require.LessOrEqual(t, size, 64<<10)

	ids := feedIDs(t, a, "1", 999)
	require.Len(t, ids, 999)
	require.Equal(t, "1000", ids[998])
}

func TestListenersComeBackWhenTheStreamIsCreatedAnew(t *testing.T) {
	t.Parallel()
	f := NewFeed()
	f.Skip(900)
	frames, _ := f.listen()
	require.NoError(t, f.Send(message(t, 1)))
	_, open := <-frames
	require.False(t, open)
	_, last := f.listen()
	require.EqualValues(t, 1, last)
}

func TestAListenerHoldsFewBytes(t *testing.T) {
	t.Parallel()
	f := NewFeed()
	slow, _ := f.listen()
	m := message(t, 1)
	require.NoError(t, m.Event.SetData("application/json", map[string]string{"x": strings.Repeat("x", 20<<10)}))
	for i := range uint64(10) {
		m.Sequence = i + 1
		require.NoError(t, f.Send(m))
	}
	n := 0
	for range slow {
		n++
	}
	require.Equal(t, 3, n)
}

func TestAClientOfAStreamThatIsNoMoreIsToldToReadAnew(t *testing.T) {
	t.Parallel()
	feed := NewFeed()
	feed.Skip(3)
	s := httptest.NewServer(New(empty{}, stored{}, feed, nil).Handler())
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/events", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", "900")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "event: resync" {
	}
	require.Equal(t, "event: resync", lines.Text())
}

// feedIDs are the ids of the first n events after one.
func feedIDs(t *testing.T, a *API, after string, n int) (ids []string) {
	t.Helper()
	s := httptest.NewServer(a.Handler())
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/events", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", after)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); len(ids) < n && lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
