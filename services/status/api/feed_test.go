package api

import (
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
