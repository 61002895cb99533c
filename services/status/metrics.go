package status

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status/api"
)

// statuses are the values of the status label: a closed set, so that a record of
// a later version cannot add series. Others are counted as unknown.
var statuses = []events.Status{unk, unv, run, exp, bad, mis, ret}

type metrics struct {
	inflight    *inflight
	transitions *prometheus.CounterVec
	conflicts   prometheus.Counter
	handled     prometheus.Counter
	delay       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		inflight: &inflight{stored: make(map[uint64]time.Time)},
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authwatch_status_transitions_total",
			Help: "Changes of status written by this process, by the status entered.",
		}, []string{"status"}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "authwatch_status_conflicts_total",
			Help: "Compare-and-set writes that failed because another replica wrote first.",
		}),
		handled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "authwatch_status_observations_total",
			Help: "Observations handled.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "authwatch_status_observation_delay_seconds",
			Help:    "From an observation's storing in the AUTH stream to its record's.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600},
		}),
	}
	for _, s := range statuses {
		m.transitions.WithLabelValues(string(s))
	}
	if reg != nil {
		reg.MustRegister(m.transitions, m.conflicts, m.handled, m.delay)
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "authwatch_status_oldest_unhandled_seconds",
			Help: "Age of the oldest observation that was delivered and is not handled; 0 if there is none.",
		}, func() float64 { return m.inflight.oldest(time.Now()).Seconds() }))
	}
	return m
}

// inflight holds the observations that are being handled, by sequence. The bus has
// a metric of those that were not delivered yet.
type inflight struct {
	mu     sync.Mutex
	stored map[uint64]time.Time
}

func (i *inflight) begin(sequence uint64, stored time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stored[sequence] = stored
}

func (i *inflight) end(sequence uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.stored, sequence)
}

func (i *inflight) oldest(now time.Time) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	var age time.Duration
	for _, stored := range i.stored {
		age = max(age, now.Sub(stored))
	}
	return age
}

// workloadMetrics collects what is known of every workload at scrape time.
type workloadMetrics func() []api.Workload

var (
	workloadStatus = prometheus.NewDesc("authwatch_workload_status",
		"1 for the status that the workload has, 0 for the others.", []string{"workload", "status"}, nil)
	workloadSince = prometheus.NewDesc("authwatch_workload_since_timestamp_seconds",
		"When the workload got the status that it has.", []string{"workload"}, nil)
	workloadServed = prometheus.NewDesc("authwatch_workload_served_by",
		"Proxies that serve the workload.", []string{"workload"}, nil)
)

func (m workloadMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- workloadStatus
	to <- workloadSince
	to <- workloadServed
}

func (m workloadMetrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, w := range m() {
		has := w.Status
		if _, known := table[has]; !known {
			has = unk
		}
		for _, s := range statuses {
			value := 0.0
			if s == has {
				value = 1
			}
			gauge(workloadStatus, value, w.Workload, string(s))
		}
		gauge(workloadSince, float64(w.Since.UnixMilli())/1000, w.Workload)
		if w.Status != ret { // that nobody serves it is no news
			gauge(workloadServed, float64(w.ServedBy), w.Workload)
		}
	}
}
