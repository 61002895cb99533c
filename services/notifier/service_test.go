package notifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

func TestAnIncidentIsToldOnceAndItsEndOnce(t *testing.T) {
	t.Parallel()
	s, ops := newStage(t), newSink(t)
	s.notify(one(ops.config("ops")))
	s.die("github")
	ops.waitFor("opened github")
	s.recover("github")
	ops.waitFor("opened github", "resolved github")

	got := ops.accepted()
	require.NotEqual(t, got[0].id, got[1].id)
	require.Equal(t, s.truth["github"].LastIncident.ID, got[0].alert.Workloads[0].Incident)
	require.Equal(t, s.truth["github"].LastIncident.ID, got[1].alert.Workloads[0].LastIncident.ID)
	receipts := s.receiptsOf(2, events.TypeAlertDelivered, "github")
	require.Equal(t, "ops", receipts[0].Receiver)
	require.Equal(t, got[0].id, receipts[0].DeliveryID)
	require.Equal(t, events.KindOpened, receipts[0].Kind)
	require.Equal(t, s.truth["github"].LastIncident.ID, receipts[0].Incident)
	require.Equal(t, 1, receipts[0].Attempts)
	require.Equal(t, 200, receipts[0].StatusCode)
}

func TestTheSameStatusAThousandTimesIsOneDelivery(t *testing.T) {
	t.Parallel()
	s, ops := newStage(t), newSink(t)
	s.notify(one(ops.config("ops")))
	s.die("github")
	for range 999 {
		s.say(s.truth["github"])
	}
	s.die("last")
	ops.waitFor("opened github", "opened last")
}

func TestARestartTellsNothingAgain(t *testing.T) {
	t.Parallel()
	s, ops := newStage(t), newSink(t)
	c := one(ops.config("ops"))
	stop := s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	stop()
	stop = s.notify(c)
	s.die("search")
	ops.waitFor("opened github", "opened search")
	stop()
	s.recover("github")
	s.notify(c)
	ops.waitFor("opened github", "opened search", "resolved github")
}
