package bus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	connected   prometheus.Gauge
	ready       prometheus.Gauge
	denied      prometheus.Counter
	published   *prometheus.CounterVec // outcome
	handled     *prometheus.CounterVec // durable, outcome
	dead        *prometheus.CounterVec // service, outcome
	skipped     *prometheus.CounterVec // stream
	consuming   *prometheus.GaugeVec   // stream, durable
	pending     *prometheus.GaugeVec   // stream, durable
	unconfirmed *prometheus.GaugeVec
	redelivered *prometheus.GaugeVec
	bytes       *prometheus.GaugeVec // stream
	maxBytes    *prometheus.GaugeVec // stream
}

func newMetrics(reg prometheus.Registerer, client string) *metrics {
	if reg != nil {
		reg = prometheus.WrapRegistererWith(prometheus.Labels{"client": client}, reg)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	}
	m := &metrics{
		connected: gauge("authwatch_bus_connected", "1 while connected to a server.").WithLabelValues(),
		ready:     gauge("authwatch_bus_ready", "1 while canary writes are acknowledged.").WithLabelValues(),
		denied:    counter("authwatch_bus_denied_total", "Operations that the server denied.").WithLabelValues(),
		published: counter("authwatch_bus_published_total",
			"Attempts to publish an event, by outcome: stored, duplicate, conflict, full, refused, unavailable.", "outcome"),
		handled: counter("authwatch_bus_handled_total",
			"Deliveries to a durable consumer, by outcome: done, retried, dead, unconfirmed.", "durable", "outcome"),
		dead: counter("authwatch_bus_dead_letters_total",
			"Messages given up on, by outcome: stored in DEAD; or kept in their own stream alone, because DEAD is full or because it took none (lost).", "service", "outcome"),
		skipped:     counter("authwatch_bus_skipped_total", "Stored messages that are not events, passed over in reading.", "stream"),
		consuming:   gauge("authwatch_bus_consuming", "1 while the durable consumer is there and is asked for messages.", "stream", "durable"),
		pending:     gauge("authwatch_bus_consumer_pending", "Messages not delivered yet.", "stream", "durable"),
		unconfirmed: gauge("authwatch_bus_consumer_ack_pending", "Messages delivered and not acknowledged.", "stream", "durable"),
		bytes:       gauge("authwatch_bus_stream_bytes", "What a stream holds.", "stream"),
		maxBytes:    gauge("authwatch_bus_stream_max_bytes", "What a stream may hold; -1: no limit.", "stream"),
		redelivered: gauge("authwatch_bus_consumer_redelivered", "Messages delivered more than once and not acknowledged.", "stream", "durable"),
	}
	for _, outcome := range []string{"stored", "duplicate", "conflict", "full", "refused", "unavailable"} {
		m.published.WithLabelValues(outcome)
	}
	return m
}

// begin shows the counters of a consumer at zero: Prometheus sees no increase in a
// counter that appears with its first event.
func (m *metrics) begin(stream, durable, service string) {
	m.consuming.WithLabelValues(stream, durable)
	for _, outcome := range []string{"done", "retried", "dead", "unconfirmed"} {
		m.handled.WithLabelValues(durable, outcome)
	}
	for _, outcome := range []string{"stored", "full", "lost"} {
		m.dead.WithLabelValues(service, outcome)
	}
}

func (m *metrics) count(durable, outcome string) {
	m.handled.WithLabelValues(durable, outcome).Inc()
}

// register returns c, or its equal that is registered already: two buses of one
// name share their metrics.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	if err != nil {
		panic(err) // two definitions of one metric: a mistake in this file
	}
	return c
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrRefused):
		return "refused"
	}
	return "unavailable"
}
