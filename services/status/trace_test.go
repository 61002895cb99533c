package status

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

const traced = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTheTraceOfWhatLedToAStatusStaysWithIt(t *testing.T) {
	t.Parallel()
	h := newHistory()
	alive := fold(events.Record{}, h.add(events.TypeLoaded, "t1"), h.add(events.TypeAuthorized, "t1"))
	death := h.add(events.TypeUnauthorized, "t1", invalidToken)
	death.TraceParent = traced
	dead := fold(alive, death)
	require.Equal(t, traced, dead.Cause.TraceParent)
	changed, err := statusEvent(alive, dead, death)
	require.NoError(t, err)
	require.Equal(t, events.TypeStatusChanged, changed.Type())
	require.Equal(t, traced, events.TraceParent(changed))

	again := h.add(events.TypeUnauthorized, "t1", invalidToken, rejections(7), from("b"))
	later := fold(dead, again)
	require.Equal(t, traced, later.Cause.TraceParent)
	updated, err := statusEvent(dead, later, again)
	require.NoError(t, err)
	require.Equal(t, events.TypeStatusUpdated, updated.Type())
	require.Empty(t, events.TraceParent(updated), "it has another cause")
}

func TestTheTraceIsReadFromTheEvent(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	s := start(t, b)
	e := observed(t, events.TypeUnauthorized, "github", "t1")
	events.SetTraceParent(&e, traced)
	require.NoError(t, b.Publish(t.Context(), e))
	require.Equal(t, traced, s.becomes(t, "github", events.StatusUnauthenticated).Cause.TraceParent)
	m, err := b.Last(t.Context(), bus.StreamStatus, statusOf("github"))
	require.NoError(t, err)
	require.Equal(t, traced, events.TraceParent(m.Event))
}
