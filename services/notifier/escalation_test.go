package notifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

func TestAnIncidentThatNobodyTakesCareOfGoesToFurtherReceivers(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops, pager := s.sink(), s.sink()
	s.notify(Config{
		Receivers: []receiver.Config{ops.config("ops"), pager.config("pager")},
		Routes: []Route{{
			Receivers: []string{"ops"},
			Escalate:  []Escalation{{After: config.Duration(15 * time.Minute), Receivers: []string{"pager"}}},
		}},
	})
	opened := s.now()
	s.die("short", "taken", "long")
	s.seen()
	s.passing(time.Second, func() bool { return len(ops.accepted()) == 3 })
	taken := s.truth["taken"]
	taken.Acknowledged = &events.Acknowledgement{By: "ada", At: s.now()}
	s.truth["taken"] = taken
	s.say(taken)
	s.recover("short")
	s.seen()
	s.passing(time.Second, func() bool { return len(ops.accepted()) == 4 })
	require.Empty(t, pager.told())

	s.passing(10*time.Second, func() bool { return len(pager.accepted()) > 0 })
	require.Equal(t, []string{"opened long"}, pager.told())
	require.GreaterOrEqual(t, pager.accepted()[0].at.Sub(opened), 15*time.Minute)
	s.recover("long", "taken")
	s.seen()
	s.passing(time.Second, func() bool { return len(pager.accepted()) > 1 })
	for range 10 {
		s.clock.move(time.Minute)
	}
	s.seen()
	require.Equal(t, []string{"opened long", "resolved long"}, pager.told())
}

func TestAnEscalationThatCannotWorkIsAProblem(t *testing.T) {
	t.Parallel()
	c := Config{
		Receivers: []receiver.Config{{Name: "ops", Log: &receiver.Log{}}},
		Routes: []Route{{
			Receivers: []string{"ops"},
			Escalate:  []Escalation{{Receivers: []string{"ops", "pagr"}}, {After: config.Duration(time.Minute)}},
		}},
	}
	var paths []string
	for _, p := range c.Validate() {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{
		"routes[0].escalate[0].after", "routes[0].escalate[0].receivers[0]",
		"routes[0].escalate[0].receivers[1]", "routes[0].escalate[1]",
	}, paths)
}
