package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/proxy/guard"
	"github.com/authwatch/authwatch/services/proxy/verdict"
)

// outcome is how a request ended, for metrics and the access log: a closed set.
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
	outTimedOut
	outClientGone
	outCut
	outcomes // their number
)

func (o outcome) String() string {
	return [...]string{
		"forwarded", "shielded", "upgraded", "no_credential", "discovery", "refused", "bad_request",
		"too_large", "unreachable", "timed_out", "client_gone", "cut",
	}[o]
}

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

func newMetrics(reg prometheus.Registerer, p *Proxy) *metrics {
	name := func(s string) string { return "authwatch_proxy_" + s }
	counter := func(n, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(n), Help: help}, labels)
	}
	m := &metrics{
		requests:  counter("requests_total", "Requests by how they ended.", "workload", "outcome"),
		verdicts:  counter("verdicts_total", "What upstream answers said about the attached credential.", "workload", "verdict"),
		refused:   counter("refused_total", "Requests refused before a workload was looked at.", "reason"),
		failures:  counter("credential_failures_total", "Attempts to read a credential that gave no token.", "workload", "problem"),
		published: counter("events_published_total", "Events that the bus has stored.", "type"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name("answer_seconds"), Help: "From a request to the headers of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"workload"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: name("open_requests"), Help: "Requests and streams under way.",
		}, []string{"workload"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name("publish_lag_seconds"), Help: "From an observation to the bus's acknowledgement.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 10, 60, 600},
		}),
	}
	for _, r := range []guard.Reason{guard.ReasonHost, guard.ReasonOrigin, guard.ReasonClient, guard.ReasonMethod, reasonPath} {
		m.refused.WithLabelValues(string(r))
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.verdicts, m.refused, m.failures, m.published, m.duration, m.open, m.lag, &state{p})
	}
	return m
}

// workloadMetrics are resolved once, so that a request costs no lookup.
type workloadMetrics struct {
	requests [outcomes]prometheus.Counter
	verdicts [verdict.Forbidden + 1]prometheus.Counter
	duration prometheus.Observer
	open     prometheus.Gauge
}

func (m *metrics) of(workload string) workloadMetrics {
	var w workloadMetrics
	for o := range outcomes {
		w.requests[o] = m.requests.WithLabelValues(workload, o.String())
	}
	for k := range w.verdicts {
		w.verdicts[k] = m.verdicts.WithLabelValues(workload, verdict.Kind(k).String())
	}
	w.duration = m.duration.WithLabelValues(workload)
	w.open = m.open.WithLabelValues(workload)
	return w
}

func (m *metrics) drop(workload string) {
	l := prometheus.Labels{"workload": workload}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.requests, m.verdicts, m.failures, m.duration, m.open} {
		v.DeletePartialMatch(l)
	}
}

// state collects what is looked up rather than counted.
type state struct{ p *Proxy }

var (
	descLoaded = prometheus.NewDesc("authwatch_proxy_credential_loaded_timestamp_seconds",
		"When the credential in use was read first.", []string{"workload"}, nil)
	descExpires = prometheus.NewDesc("authwatch_proxy_credential_expires_timestamp_seconds",
		"When the credential in use ends, where that is known.", []string{"workload"}, nil)
	descUsable = prometheus.NewDesc("authwatch_proxy_credential_usable",
		"1 when there is a credential to attach.", []string{"workload"}, nil)
	descStale = prometheus.NewDesc("authwatch_proxy_credential_stale",
		"1 while the credential in use stays because its source cannot be read.", []string{"workload"}, nil)
	descRejected = prometheus.NewDesc("authwatch_proxy_credential_rejected",
		"1 while the upstream rejects the credential.", []string{"workload"}, nil)
	descReachable = prometheus.NewDesc("authwatch_proxy_upstream_reachable",
		"0 after several failures to reach the upstream in a row.", []string{"workload"}, nil)
	descHeld = prometheus.NewDesc("authwatch_proxy_outbox_events",
		"Events that the bus has not acknowledged yet.", nil, nil)
	descOldest = prometheus.NewDesc("authwatch_proxy_outbox_oldest_seconds",
		"Age of the oldest of them.", nil, nil)
	descCoalesced = prometheus.NewDesc("authwatch_proxy_outbox_coalesced_total",
		"Events left out because too many of their workload were held.", nil, nil)
	descRetries = prometheus.NewDesc("authwatch_proxy_outbox_retries_total",
		"Attempts to publish that were not acknowledged.", nil, nil)
	descRefusals = prometheus.NewDesc("authwatch_proxy_outbox_refusals_total",
		"Attempts to publish that the bus refused.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descLoaded, descExpires, descUsable, descStale, descRejected, descReachable, descHeld,
		descOldest, descCoalesced, descRetries, descRefusals,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, w := range s.p.table.Load().workloads {
		gauge(descReachable, boolean(w.reach.ok()), w.cfg.Name)
		if w.source == nil {
			continue
		}
		c := w.source.Current()
		gauge(descUsable, boolean(c.Usable()), w.cfg.Name)
		gauge(descStale, boolean(c.Stale != ""), w.cfg.Name)
		gauge(descRejected, boolean(w.observer.rejected()), w.cfg.Name)
		if c.Usable() {
			gauge(descLoaded, seconds(c.LoadedAt), w.cfg.Name)
		}
		if !c.ExpiresAt.IsZero() {
			gauge(descExpires, seconds(c.ExpiresAt), w.cfg.Name)
		}
	}
	o := s.p.outbox.Stats()
	gauge(descHeld, float64(o.Held))
	age := 0.0
	if !o.Oldest.IsZero() {
		age = time.Since(o.Oldest).Seconds()
	}
	gauge(descOldest, age)
	for d, v := range map[*prometheus.Desc]uint64{descCoalesced: o.Coalesced, descRetries: o.Retries, descRefusals: o.Refusals} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
