package proxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/proxy/outbox"
)

// gauges are looked up when they are collected.
type gauges struct {
	table  *atomic.Pointer[table]
	outbox *outbox.Outbox
}

var (
	descLoaded = prometheus.NewDesc("authwatch_proxy_credential_loaded_timestamp_seconds",
		"When the credential in use was read first.", []string{"workload"}, nil)
	descExpires = prometheus.NewDesc("authwatch_proxy_credential_expires_timestamp_seconds",
		"When the credential in use ends, where that is known.", []string{"workload"}, nil)
	descUsable = prometheus.NewDesc("authwatch_proxy_credential_usable",
		"1 when there is a credential to attach.", []string{"workload"}, nil)
	descStale = prometheus.NewDesc("authwatch_proxy_credential_stale",
		"1 while the credential in use stays because its source cannot be read.", []string{"workload"}, nil)
	descLost = prometheus.NewDesc("authwatch_proxy_sessions_lost_total",
		"Rejections that were about an MCP session.", []string{"workload"}, nil)
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
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descLoaded, descExpires, descUsable, descStale, descRejected, descLost, descReachable, descHeld,
		descOldest, descCoalesced, descRetries, descRefusals,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, w := range g.table.Load().workloads {
		ok, _, _ := w.reach.get()
		gauge(descReachable, boolean(ok), w.cfg.Name)
		if w.source == nil {
			continue
		}
		c := w.source.Current()
		gauge(descUsable, boolean(c.Usable()), w.cfg.Name)
		gauge(descStale, boolean(c.Stale != ""), w.cfg.Name)
		gauge(descRejected, boolean(w.observer.rejected()), w.cfg.Name)
		ch <- prometheus.MustNewConstMetric(descLost, prometheus.CounterValue, float64(w.observer.lostSessions()), w.cfg.Name)
		if c.Usable() {
			gauge(descLoaded, seconds(c.LoadedAt), w.cfg.Name)
		}
		if !c.ExpiresAt.IsZero() {
			gauge(descExpires, seconds(c.ExpiresAt), w.cfg.Name)
		}
	}
	o := g.outbox.Stats()
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
