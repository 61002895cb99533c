package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenerGetsEveryFrameInOrder(t *testing.T) {
	t.Parallel()
	f := NewFeed()
	f.Skip(7)
	frames, last := f.listen()
	require.EqualValues(t, 7, last)
	for i := range uint64(3) {
		f.Send(Frame{Sequence: 8 + i})
	}
	for i := range uint64(3) {
		require.Equal(t, 8+i, (<-frames).Sequence)
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
		f.Send(Frame{Sequence: i + 1})
		require.Equal(t, i+1, (<-quick).Sequence)
	}
	n := 0
	for range slow {
		n++
	}
	require.Equal(t, backlog, n, "what fitted, then the end")
	_, last := f.listen()
	require.EqualValues(t, frames, last)
}
