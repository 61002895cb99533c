package notifier

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

var outcomeNames = map[plan.Outcome]string{
	plan.Delivered: "delivered", plan.Retry: "retry", plan.Rejected: "rejected", plan.Refused: "refused", plan.Gone: "gone",
}

// metrics are labelled by receivers, which the configuration bounds.
type metrics struct {
	service  *Service
	attempts *prometheus.CounterVec
	told     *prometheus.CounterVec
	lag      *prometheus.HistogramVec

	leading, state, oldest, proof *prometheus.Desc
}

func newMetrics(s *Service) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("authwatch_notifier_"+name, help, labels, nil)
	}
	m := &metrics{
		service: s,
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authwatch_notifier_attempts_total",
			Help: "Attempts to send a message, by what the answer meant.",
		}, []string{"receiver", "outcome"}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authwatch_notifier_deliveries_total",
			Help: "Messages that a receiver took (delivered), or was given up on for now (failed).",
		}, []string{"receiver", "kind", "outcome"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "authwatch_notifier_event_to_delivery_seconds",
			Help:    "Time from a change of status to its accepted message.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 900, 3600},
		}, []string{"receiver"}),
		leading: desc("leading", "1 on the replica that sends."),
		state:   desc("receiver_up", "1 while the receiver can be told, 0 while it is rested or refuses.", "receiver", "state"),
		oldest:  desc("oldest_undelivered_seconds", "How long the oldest message is due; 0 without one.", "receiver"),
		proof:   desc("last_delivered_timestamp_seconds", "When the receiver took a message last.", "receiver"),
	}
	// From zero: Prometheus sees no increase in a counter that comes with its
	// first event.
	for _, r := range s.config.Receivers {
		for _, outcome := range outcomeNames {
			m.attempts.WithLabelValues(r.Name, outcome)
		}
		for _, kind := range []string{events.KindOpened, events.KindResolved, events.KindReminder, events.KindDigest} {
			m.told.WithLabelValues(r.Name, kind, "delivered")
			m.told.WithLabelValues(r.Name, kind, "failed")
		}
	}
	return m
}

// attempt counts one answer.
func (m *metrics) attempt(receiver string, d *plan.Delivery, a plan.Answer, now time.Time, records []events.Record) {
	m.attempts.WithLabelValues(receiver, outcomeNames[a.Outcome]).Inc()
	if a.Outcome != plan.Delivered {
		return
	}
	m.told.WithLabelValues(receiver, d.Kind, "delivered").Inc()
	if d.Kind == events.KindOpened || d.Kind == events.KindResolved {
		for _, r := range records {
			m.lag.WithLabelValues(receiver).Observe(max(now.Sub(r.Since).Seconds(), 0))
		}
	}
}

func (m *metrics) failed(receiver, kind string) {
	m.told.WithLabelValues(receiver, kind, "failed").Inc()
}

func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.attempts.Describe(ch)
	m.told.Describe(ch)
	m.lag.Describe(ch)
	for _, d := range []*prometheus.Desc{m.leading, m.state, m.oldest, m.proof} {
		ch <- d
	}
}

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.attempts.Collect(ch)
	m.told.Collect(ch)
	m.lag.Collect(ch)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	session := m.service.session.Load()
	if session == nil {
		gauge(m.leading, 0)
		return
	}
	gauge(m.leading, 1)
	now := m.service.clock.Now()
	for name, w := range session.workers {
		s := w.status(now)
		up := 0.0
		if s.state == plan.Up {
			up = 1
		}
		gauge(m.state, up, name, string(s.state))
		gauge(m.oldest, s.oldest.Seconds(), name)
		if !s.proof.IsZero() {
			gauge(m.proof, float64(s.proof.Unix()), name)
		}
	}
}
