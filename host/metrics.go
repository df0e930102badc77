package host

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sgstreamd/sgstreamd/abi"
)

// metrics are the host's, by plugin. See docs/operations.md.
type metrics struct {
	instances, busy         *prometheus.GaugeVec
	calls, traps, deadlines *prometheus.CounterVec
	requests                *prometheus.CounterVec // over HTTP
	own                     *prometheus.CounterVec // by the plugin's own names
	seconds                 *prometheus.HistogramVec

	mu     sync.Mutex
	counts map[string]*counters // by plugin: a new version goes on with the names of the one before
}

// pluginMetrics are those of one plugin.
type pluginMetrics struct {
	instances, busy  prometheus.Gauge
	calls            *outcomes
	traps, deadlines prometheus.Counter
	requests         *prometheus.CounterVec // by outcome
	own              *counters
	seconds          prometheus.Observer
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	plugin := []string{"plugin"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, plugin)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(plugin, labels...))
	}
	m := &metrics{
		counts:    map[string]*counters{},
		instances: gauge("sgstreamd_plugin_instances", "Instances of the plugin, idle ones included."),
		busy:      gauge("sgstreamd_plugin_instances_busy", "Instances of the plugin that are in a call."),
		calls:     counter("sgstreamd_plugin_calls_total", "Calls of the plugin, by outcome.", "outcome"),
		traps:     counter("sgstreamd_plugin_traps_total", "Calls of the plugin that ended in a trap."),
		deadlines: counter("sgstreamd_plugin_deadlines_total", "Calls of the plugin that had no result within its timeout."),
		requests:  counter("sgstreamd_plugin_http_requests_total", "HTTP requests of the plugin, by outcome.", "outcome"),
		own:       counter("sgstreamd_plugin_custom_total", "What the plugin counts itself, by name.", "name"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sgstreamd_plugin_call_seconds", Help: "Duration of the plugin's calls, without the wait for an instance.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300},
		}, plugin),
	}
	if r == nil {
		return m, nil
	}
	err := errors.Join(register(r, &m.instances), register(r, &m.busy), register(r, &m.calls),
		register(r, &m.traps), register(r, &m.deadlines), register(r, &m.requests), register(r, &m.own), register(r, &m.seconds))
	return m, err
}

// register registers the collector, or takes the one of the same kind that an earlier host has registered.
func register[C prometheus.Collector](r prometheus.Registerer, c *C) error {
	err := r.Register(*c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			*c = existing
			return nil
		}
	}
	return err
}

func (m *metrics) of(plugin string) pluginMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts[plugin] == nil {
		m.counts[plugin] = &counters{vec: m.own.MustCurryWith(prometheus.Labels{"plugin": plugin}), byName: map[string]prometheus.Counter{}}
	}
	return pluginMetrics{
		instances: m.instances.WithLabelValues(plugin), busy: m.busy.WithLabelValues(plugin),
		calls: &outcomes{vec: m.calls.MustCurryWith(prometheus.Labels{"plugin": plugin})},
		traps: m.traps.WithLabelValues(plugin), deadlines: m.deadlines.WithLabelValues(plugin),
		requests: m.requests.MustCurryWith(prometheus.Labels{"plugin": plugin}),
		own:      m.counts[plugin],
		seconds:  m.seconds.WithLabelValues(plugin),
	}
}

func (m *pluginMetrics) observe(s abi.Status, err error, took time.Duration) {
	m.calls.count(s, err)
	m.seconds.Observe(took.Seconds())
	if errors.Is(err, ErrTrap) {
		m.traps.Inc()
	}
	if errors.Is(err, ErrDeadline) {
		m.deadlines.Inc()
	}
}

// outcomes counts calls by outcome. It remembers the counters of the statuses: to find one by its label costs as much as many
// a guest.
type outcomes struct {
	vec      *prometheus.CounterVec // by outcome
	byStatus [abi.StatusDrop + 1]atomic.Pointer[prometheus.Counter]
}

func (o *outcomes) count(s abi.Status, err error) {
	if err != nil {
		o.vec.WithLabelValues(outcome(s, err)).Inc()
		return
	}
	known := o.byStatus[s].Load()
	if known == nil {
		counter := o.vec.WithLabelValues(s.String())
		known = &counter
		o.byStatus[s].Store(known)
	}
	(*known).Inc()
}

// outcome is the label of a call: its status, or what went wrong.
func outcome(s abi.Status, err error) string {
	switch {
	case err == nil:
		return s.String()
	case errors.Is(err, ErrDeadline):
		return "deadline"
	case errors.Is(err, ErrMemory):
		return "memory"
	case errors.Is(err, ErrTrap):
		return "trap"
	case errors.Is(err, ErrContract):
		return "contract"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	}
	return "error"
}

// errnoOutcome is the label of an HTTP request that was refused or has failed.
func errnoOutcome(e abi.Errno) string {
	switch e {
	case abi.ErrnoDenied:
		return "denied"
	case abi.ErrnoLimit:
		return "limit"
	case abi.ErrnoCancelled:
		return "cancelled"
	case abi.ErrnoUnavailable:
		return "unavailable"
	}
	return "invalid"
}

// statusOutcome is the label of an HTTP request that brought a response.
func statusOutcome(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}
