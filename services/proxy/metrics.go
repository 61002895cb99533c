package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/proxy/guard"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// outcome is how a request ended, for metrics and the access log.
type outcome int

const (
	outForwarded outcome = iota
	outShielded
	outUpgraded
	outNoCredential
	outDiscovery
	outRefused
	outBadRequest
	outTooLarge
	outUnreachable
	outEnded
	outBadAnswer
	outTimedOut
	outClientGone
	outCut
	outcomes // how many there are
)

func (o outcome) String() string {
	return [...]string{
		"forwarded", "shielded", "upgraded", "no_credential", "discovery", "refused", "bad_request",
		"too_large", "unreachable", "connection_ended", "bad_answer", "timed_out", "client_gone", "cut",
	}[o]
}

// reasonPath refuses a path that leads to no workload.
const reasonPath guard.Reason = "path"

// reasonLoop refuses a request that this process has forwarded before.
const reasonLoop guard.Reason = "loop"

type metrics struct {
	requests  *prometheus.CounterVec
	verdicts  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	failures  *prometheus.CounterVec
	published *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	open      *prometheus.GaugeVec
	lag       prometheus.Histogram
}

func newMetrics() *metrics {
	full := func(s string) string { return "authwatch_proxy_" + s }
	counter := func(n, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: full(n), Help: help}, labels)
	}
	m := &metrics{
		requests:  counter("requests_total", "Requests by how they ended.", "workload", "outcome"),
		verdicts:  counter("verdicts_total", "What upstream answers said about the attached credential.", "workload", "verdict"),
		refused:   counter("refused_total", "Requests refused before a workload was looked at.", "reason"),
		failures:  counter("credential_failures_total", "Attempts to read a credential that gave no token.", "workload", "problem"),
		published: counter("events_published_total", "Events that the bus has stored.", "type"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: full("answer_seconds"), Help: "From a request to the headers of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"workload"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: full("open_requests"), Help: "Requests and streams under way.",
		}, []string{"workload"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: full("publish_lag_seconds"), Help: "From an observation to the bus's acknowledgement.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 10, 60, 600},
		}),
	}
	for _, r := range []guard.Reason{guard.ReasonHost, guard.ReasonOrigin, guard.ReasonClient, guard.ReasonMethod, reasonPath, reasonLoop} {
		m.refused.WithLabelValues(string(r))
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.verdicts, m.refused, m.failures, m.published, m.duration, m.open, m.lag}
}

// workloadMetrics are resolved once, so that a request costs no lookup.
type workloadMetrics struct {
	requests [outcomes]prometheus.Counter
	verdicts [verdict.Forbidden + 1]prometheus.Counter
	duration prometheus.Observer
	open     prometheus.Gauge
}

func (m *metrics) of(name string) workloadMetrics {
	var w workloadMetrics
	for o := range outcomes {
		w.requests[o] = m.requests.WithLabelValues(name, o.String())
	}
	for k := range w.verdicts {
		w.verdicts[k] = m.verdicts.WithLabelValues(name, verdict.Kind(k).String())
	}
	w.duration = m.duration.WithLabelValues(name)
	w.open = m.open.WithLabelValues(name)
	return w
}

func (m *metrics) drop(name string) {
	l := prometheus.Labels{"workload": name}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.requests, m.verdicts, m.failures, m.duration, m.open} {
		v.DeletePartialMatch(l)
	}
}
