package notifier

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/notifier/plan"
)

func TestMetricsTellWhatBecameOfEachMessage(t *testing.T) {
	t.Parallel()
	s := newStillStage(t)
	ops := s.sink("503")
	reg := prometheus.NewPedanticRegistry()
	n, _ := s.start(one(ops.config("ops")), func(o *Options) { o.Metrics = reg })
	attempts := func(outcome string) int {
		return int(testutil.ToFloat64(n.metrics.attempts.WithLabelValues("ops", outcome)))
	}
	told := func(kind, outcome string) int {
		return int(testutil.ToFloat64(n.metrics.messages.WithLabelValues("ops", kind, outcome)))
	}
	require.Equal(t, 5, testutil.CollectAndCount(n.metrics.attempts), "an increase from nothing is seen by nobody")
	require.Equal(t, 8, testutil.CollectAndCount(n.metrics.messages))

	s.die("github")
	require.Eventually(t, func() bool { return attempts("retry") == 1 }, 20*time.Second, 5*time.Millisecond)
	s.clock.move(90 * time.Second)
	ops.waitFor("opened github")
	require.Eventually(t, func() bool { return told("opened", "delivered") == 1 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, attempts("delivered"))
	require.Zero(t, told("opened", "failed"))

	ops.say("403")
	s.recover("github")
	require.Eventually(t, func() bool { return told("resolved", "failed") == 1 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, attempts("refused"))
	s.clock.move(plan.Probe / 2)
	values := gauges(t, reg)
	require.Equal(t, 1, values["authwatch_notifier_leading"])
	require.Zero(t, values["authwatch_notifier_receiver_up"])
	require.Equal(t, int(plan.Probe.Seconds())/2, values["authwatch_notifier_oldest_undelivered_seconds"])
	require.Equal(t, 1, values["authwatch_notifier_event_to_delivery_seconds"], "one message accepted")

	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// gauges are the values of what one receiver has one of; of a histogram, how many.
func gauges(t *testing.T, reg *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	values := map[string]int{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = int(m.GetGauge().GetValue()) + int(m.GetHistogram().GetSampleCount())
	}
	return values
}
