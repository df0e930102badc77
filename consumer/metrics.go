package consumer

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxPlatforms bounds the values of the label platform, which come from the payloads: what is beyond is
// counted as otherPlatforms.
const (
	maxPlatforms   = 100
	otherPlatforms = "other"
)

// Metrics are the counters of all workers of a process.
type Metrics struct {
	received, completed, retried, deadLettered, reclaimed, returned, trimmed, fenced, again *prometheus.CounterVec

	inFlight          *prometheus.GaugeVec
	handling, latency *prometheus.HistogramVec
	lag, pending      *prometheus.GaugeVec
	unconfirmed       *prometheus.CounterVec

	mu     sync.RWMutex
	series map[[2]string]*series
}

// series are the metrics of one role and platform.
type series struct {
	received, completed, retried, deadLettered, reclaimed, returned, fenced, again prometheus.Counter

	inFlight          prometheus.Gauge
	handling, latency prometheus.Observer
}

// NewMetrics makes the metrics and registers them with r, if r is not nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	labels := []string{"role", "platform"}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sgstreamd_messages_" + name + "_total", Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sgstreamd_message_" + name + "_seconds", Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 20),
		}, labels)
	}
	stream := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sgstreamd_stream_" + name, Help: help}, []string{"stream", "group"})
	}
	m := &Metrics{
		received:     counter("received", "Deliveries that were begun, tries of the same message each counted."),
		completed:    counter("completed", "Messages that were handled and acknowledged."),
		retried:      counter("retried", "Tries that failed and left the message pending for another."),
		deadLettered: counter("dead_lettered", "Messages that were moved to the dead letters."),
		reclaimed:    counter("reclaimed", "Messages that were taken over from another worker."),
		returned:     counter("returned", "Messages that were given back when the worker stopped."),
		trimmed:      counter("trimmed", "Messages that were trimmed off the stream while they were pending."),
		fenced:       counter("fenced", "Results that were discarded because the message was another worker's by then."),
		again:        counter("already_delivered", "Replies that were acknowledged without being delivered, because one of their message_key was."),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sgstreamd_messages_in_flight", Help: "Messages that were fetched and are not committed yet.",
		}, labels),
		handling: histogram("handling", "Time in the plugin's call."),
		latency:  histogram("latency", "Time from a message's enqueueing to its acknowledgement."),
		lag:      stream("lag_entries", "Entries that the group has not read yet; -1 where Redis can't tell."),
		pending:  stream("pending_entries", "Entries that were delivered to the group and are not acknowledged."),
		unconfirmed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sgstreamd_commits_unconfirmed_total", Help: "Commits of up to 128 messages that fewer than redis.wait_replicas replicas were known to have in time.",
		}, labels),
		series: map[[2]string]*series{},
	}
	if r != nil {
		r.MustRegister(m.received, m.completed, m.retried, m.deadLettered, m.reclaimed, m.returned, m.trimmed, m.fenced, m.again,
			m.inFlight, m.handling, m.latency, m.lag, m.pending, m.unconfirmed)
	}
	return m
}

// of returns the series of a delivery: an adapter's platform is its worker's, a processor's its message's.
func (m *Metrics) of(w *Worker, d *delivery) *series {
	platform := w.cfg.Platform
	if platform == "" {
		platform = d.entry.Message.Platform
	}
	if len(platform) > abi.MaxNameBytes {
		platform = otherPlatforms
	}
	key := [2]string{w.cfg.Role, platform}
	m.mu.RLock()
	s := m.series[key]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	return m.add(key)
}

func (m *Metrics) add(key [2]string) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.series[key]; s != nil {
		return s
	}
	if len(m.series) >= maxPlatforms {
		key[1] = otherPlatforms
		if s := m.series[key]; s != nil {
			return s
		}
	}
	l := prometheus.Labels{"role": key[0], "platform": key[1]}
	s := &series{
		received: m.received.With(l), completed: m.completed.With(l), retried: m.retried.With(l),
		deadLettered: m.deadLettered.With(l), reclaimed: m.reclaimed.With(l), returned: m.returned.With(l), fenced: m.fenced.With(l), again: m.again.With(l),
		inFlight: m.inFlight.With(l), handling: m.handling.With(l), latency: m.latency.With(l),
	}
	m.series[key] = s
	return s
}
