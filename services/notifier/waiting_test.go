package notifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// waitingFor asks until the one receiver waits for that cause.
func (s *stage) waitingFor(workload string, cause plan.Cause) (w Waiting) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		all, err := WaitingFor(s.t.Context(), s.bus, workload)
		require.NoError(s.t, err)
		if len(all) == 1 {
			w = all[0]
		}
		return w.For == cause
	}, 20*time.Second, 5*time.Millisecond, "%s does not wait for %s", workload, cause)
	require.Equal(s.t, "ops", w.Receiver)
	return w
}

func TestWhatAMessageWaitsForCanBeAsked(t *testing.T) {
	t.Parallel()
	for cause, test := range map[plan.Cause]struct {
		script []string
		change func(*receiver.Config, *Route)
		events func(*stage, *sink)
		until  time.Duration // from the beginning; 0: nobody knows
		kind   string
	}{
		plan.ForAnswer: {
			script: []string{"hang"},
			events: func(s *stage, _ *sink) { s.die("github") },
			kind:   events.KindOpened,
		},
		plan.ForReceiver: {
			script: []string{"404"},
			events: func(s *stage, _ *sink) { s.die("github") },
			until:  plan.Probe,
			kind:   events.KindOpened,
		},
		plan.ForRetryAfter: {
			script: []string{"503 after=600"},
			events: func(s *stage, _ *sink) { s.die("github") },
			until:  10 * time.Minute,
			kind:   events.KindOpened,
		},
		plan.ForConfig: {
			script: []string{"410"},
			events: func(s *stage, _ *sink) { s.die("github") },
			kind:   events.KindOpened,
		},
		plan.ForSilence: {
			events: func(s *stage, ops *sink) {
				_, err := SilenceAdd(s.t.Context(), s.bus, events.Silence{
					Match: events.Match{Workload: "*"}, From: s.now(), Until: s.now().Add(100 * 24 * time.Hour),
				})
				require.NoError(s.t, err)
				s.eventuallySilenced(ops, 0)
				s.die("github")
			},
			until: 100 * 24 * time.Hour,
			kind:  events.KindOpened,
		},
		plan.ForFlapping: {
			events: func(s *stage, ops *sink) {
				s.die("github")
				ops.waitFor("opened github")
				s.recover("github")
				ops.waitFor("opened github", "resolved github")
				s.die("github")
			},
			until: 2 * time.Second,
			kind:  events.KindOpened,
		},
		plan.ForGroup: {
			change: func(_ *receiver.Config, r *Route) {
				r.GroupBy, r.GroupWait = []string{"credential"}, ref(time.Minute)
			},
			events: func(s *stage, _ *sink) { s.die("github") },
			until:  time.Minute,
			kind:   events.KindOpened,
		},
		plan.ForReminder: {
			events: func(s *stage, _ *sink) { s.die("github") },
			until:  defaultRepeatInterval,
			kind:   events.KindReminder,
		},
		plan.ForTurn: {
			change: func(c *receiver.Config, _ *Route) {
				c.Rate = receiver.Rate{Per: config.Duration(time.Hour), Burst: 1}
			},
			events: func(s *stage, _ *sink) { s.die("first"); s.seen(); s.die("github") },
			kind:   events.KindOpened,
		},
	} {
		t.Run(string(cause), func(t *testing.T) {
			t.Parallel()
			s := newStillStage(t)
			began := s.now()
			ops := s.sink(test.script...)
			c := one(ops.config("ops"))
			if test.change != nil {
				test.change(&c.Receivers[0], &c.Routes[0])
			}
			s.notify(c)
			test.events(s, ops)
			w := s.waitingFor("github", cause)
			require.Equal(t, test.kind, w.Kind)
			if test.until == 0 {
				require.Zero(t, w.Until)
			} else {
				require.Equal(t, test.until, w.Until.Sub(began))
			}
			require.Equal(t, cause == plan.ForReceiver || cause == plan.ForConfig, w.Failed)
		})
	}
}

func TestNothingWaitsForAWorkloadThatNobodyHasToHearOf(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := s.sink()
	c := one(ops.config("ops"))
	c.Routes[0].RepeatInterval = ref(0)
	s.notify(c)
	s.die("github")
	ops.waitFor("opened github")
	for _, name := range []string{"github", "unknown"} {
		require.Eventually(t, func() bool {
			all, err := WaitingFor(t.Context(), s.bus, name)
			require.NoError(t, err)
			return len(all) == 0
		}, 20*time.Second, 5*time.Millisecond, name)
	}
}

func TestAMessageThatWasNeverAttemptedWaitsForItsReceiverToo(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("403")
	s.notify(one(ops.config("ops")))
	s.die("github")
	s.waitingFor("github", plan.ForReceiver)
	s.die("search")
	w := s.waitingFor("search", plan.ForReceiver)
	require.Zero(t, w.Attempts)
	require.Equal(t, s.now().Add(plan.Probe), w.Until)
}
