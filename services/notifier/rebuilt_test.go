package notifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestHistoryThatIsStoredAgainIsToldToNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	k := s.sink()
	stop := s.notify(one(k.config("ops")))
	defer stop()
	old := next(events.Record{}, "github", true, time.Now().Add(-time.Hour))
	e, err := events.New(events.TypeStatusChanged, "urn:authwatch:status:test", "github", time.Now(), old)
	require.NoError(t, err)
	events.SetRebuilt(&e)
	require.NoError(t, s.bus.Publish(t.Context(), e))
	s.say(next(old, "github", false, time.Now()))
	s.die("jira")
	k.waitFor("opened jira")
}
