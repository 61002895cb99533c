package notifier

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

var outcomeNames = map[plan.Outcome]string{
	plan.Delivered: "delivered", plan.Retry: "retry", plan.Rejected: "rejected", plan.Refused: "refused", plan.Gone: "gone",
}

// metrics are labelled by receivers, which the configuration bounds.
type metrics struct {
	queues   atomic.Pointer[map[string]*queue] // while this replica leads
	attempts *prometheus.CounterVec
	messages *prometheus.CounterVec
	lag      *prometheus.HistogramVec

	leading, state, oldest, last *prometheus.Desc
}

func newMetrics(receivers []receiver.Config) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("authwatch_notifier_"+name, help, labels, nil)
	}
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authwatch_notifier_attempts_total",
			Help: "Attempts to send a message, by outcome.",
		}, []string{"receiver", "outcome"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authwatch_notifier_deliveries_total",
			Help: "Messages that a receiver accepted (delivered) or did not (failed); failed ones are tried again slowly.",
		}, []string{"receiver", "kind", "outcome"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "authwatch_notifier_event_to_delivery_seconds",
			Help:    "Time from a change of status to the delivery of its message.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 900, 3600},
		}, []string{"receiver"}),
		leading: desc("leading", "1 if this replica sends the alerts."),
		state:   desc("receiver_up", "1 if the receiver accepts messages.", "receiver", "state"),
		oldest:  desc("oldest_undelivered_seconds", "How long the oldest message that is not delivered has been due; 0 if there is none.", "receiver"),
		last:    desc("last_delivered_timestamp_seconds", "When the receiver last accepted a message.", "receiver"),
	}
	// From zero: Prometheus sees no increase in a counter that comes with its
	// first event.
	for _, r := range receivers {
		for _, outcome := range outcomeNames {
			m.attempts.WithLabelValues(r.Name, outcome)
		}
		for _, kind := range []string{events.KindOpened, events.KindResolved, events.KindReminder, events.KindDigest} {
			m.messages.WithLabelValues(r.Name, kind, "delivered")
			m.messages.WithLabelValues(r.Name, kind, "failed")
		}
	}
	return m
}

// lead says whose queues to show; nil: this replica does not lead any more.
func (m *metrics) lead(queues map[string]*queue) { m.queues.Store(&queues) }

// attempt counts the result of an attempt to send a message about records.
func (m *metrics) attempt(receiver, kind string, r plan.Result, now time.Time, records []events.Record) {
	m.attempts.WithLabelValues(receiver, outcomeNames[r.Outcome]).Inc()
	if r.Outcome != plan.Delivered {
		return
	}
	m.messages.WithLabelValues(receiver, kind, "delivered").Inc()
	if kind == events.KindOpened || kind == events.KindResolved {
		for _, r := range records {
			m.lag.WithLabelValues(receiver).Observe(max(now.Sub(r.Since).Seconds(), 0))
		}
	}
}

func (m *metrics) failed(receiver, kind string) {
	m.messages.WithLabelValues(receiver, kind, "failed").Inc()
}

func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.attempts.Describe(ch)
	m.messages.Describe(ch)
	m.lag.Describe(ch)
	for _, d := range []*prometheus.Desc{m.leading, m.state, m.oldest, m.last} {
		ch <- d
	}
}

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.attempts.Collect(ch)
	m.messages.Collect(ch)
	m.lag.Collect(ch)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	queues := m.queues.Load()
	if queues == nil || *queues == nil {
		gauge(m.leading, 0)
		return
	}
	gauge(m.leading, 1)
	for name, q := range *queues {
		g := q.glance()
		up := 0.0
		if g.health == plan.Up {
			up = 1
		}
		gauge(m.state, up, name, string(g.health))
		gauge(m.oldest, g.oldest.Seconds(), name)
		if !g.delivered.IsZero() {
			gauge(m.last, float64(g.delivered.Unix()), name)
		}
	}
}
