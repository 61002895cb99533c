package status

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

func TestMetricsTellTheStatusOfEveryWorkload(t *testing.T) {
	t.Parallel()
	b := natstest.Bus(t)
	reg := prometheus.NewPedanticRegistry()
	s := start(t, b, func(o *Options) { o.Metrics = reg })
	publish(t, b, events.TypeUnauthorized, "github", "t1")
	github := s.becomes(t, "github", events.StatusUnauthenticated)
	_, err := b.Bucket(bus.BucketLeases).Put(t.Context(), "proxy.a",
		[]byte(`{"instance":"a","workloads":{"gitlab":{"since":"2026-11-24T12:00:00.5Z"}}}`))
	require.NoError(t, err)
	s.becomes(t, "gitlab", events.StatusUnknown)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP authwatch_workload_status 1 for the status that the workload has, 0 for the others.
# TYPE authwatch_workload_status gauge
authwatch_workload_status{status="expiring",workload="github"} 0
authwatch_workload_status{status="missing",workload="github"} 0
authwatch_workload_status{status="retired",workload="github"} 0
authwatch_workload_status{status="running",workload="github"} 0
authwatch_workload_status{status="unauthenticated",workload="github"} 1
authwatch_workload_status{status="unknown",workload="github"} 0
authwatch_workload_status{status="unverified",workload="github"} 0
authwatch_workload_status{status="expiring",workload="gitlab"} 0
authwatch_workload_status{status="missing",workload="gitlab"} 0
authwatch_workload_status{status="retired",workload="gitlab"} 0
authwatch_workload_status{status="running",workload="gitlab"} 0
authwatch_workload_status{status="unauthenticated",workload="gitlab"} 0
authwatch_workload_status{status="unknown",workload="gitlab"} 1
authwatch_workload_status{status="unverified",workload="gitlab"} 0
# HELP authwatch_workload_since_timestamp_seconds When the workload got the status that it has.
# TYPE authwatch_workload_since_timestamp_seconds gauge
authwatch_workload_since_timestamp_seconds{workload="github"} %v
authwatch_workload_since_timestamp_seconds{workload="gitlab"} 1.7955216005e+09
# HELP authwatch_workload_served_by Proxies that serve the workload.
# TYPE authwatch_workload_served_by gauge
authwatch_workload_served_by{workload="github"} 0
authwatch_workload_served_by{workload="gitlab"} 1
`, float64(github.Since.UnixMilli())/1000)), "authwatch_workload_status", "authwatch_workload_since_timestamp_seconds", "authwatch_workload_served_by"))
	require.Equal(t, 1, int(testutil.ToFloat64(s.metrics.transitions.WithLabelValues("unauthenticated"))))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}
