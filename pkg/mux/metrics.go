package mux

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters of all ports. It is a prometheus.Collector; the
// daemon registers it once.
type Metrics struct {
	accepted     *prometheus.CounterVec
	open         *prometheus.GaugeVec
	refusals     *prometheus.CounterVec
	protocols    *prometheus.CounterVec
	detect       *prometheus.HistogramVec
	acceptErrors *prometheus.CounterVec
	slow         *prometheus.CounterVec
	received     *prometheus.CounterVec
	sent         *prometheus.CounterVec
	ports        openPorts
}

// NewMetrics makes the counters.
func NewMetrics() *Metrics {
	name := func(n, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "portico", Subsystem: "listener", Name: n, Help: help}
	}
	return &Metrics{
		ports:        openPorts{list: map[*Port]struct{}{}},
		received:     prometheus.NewCounterVec(name("received_bytes_total", "Bytes that came from clients, on the wire."), []string{"listener"}),
		sent:         prometheus.NewCounterVec(name("sent_bytes_total", "Bytes that went to clients, on the wire."), []string{"listener"}),
		accepted:     prometheus.NewCounterVec(name("connections_total", "Connections accepted."), []string{"listener"}),
		open:         prometheus.NewGaugeVec(prometheus.GaugeOpts(name("connections_open", "Connections open now.")), []string{"listener"}),
		refusals:     prometheus.NewCounterVec(name("refused_total", "Connections closed before a service had them."), []string{"listener", "reason"}),
		protocols:    prometheus.NewCounterVec(name("protocol_total", "Connections by what their first bytes speak."), []string{"listener", "protocol"}),
		acceptErrors: prometheus.NewCounterVec(name("accept_errors_total", "Failures to accept a connection."), []string{"listener"}),
		slow:         prometheus.NewCounterVec(name("slow_total", "Requests ended because the client sent its body, or read its answer, below the minimum rate."), []string{"listener", "reason"}),
		detect: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "portico", Subsystem: "listener", Name: "detect_seconds",
			Help:    "Time from accept until the protocol was known.",
			Buckets: []float64{.0001, .0005, .001, .005, .025, .1, .5, 1, 3, 10},
		}, []string{"listener"}),
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.accepted, m.open, m.refusals, m.protocols, m.detect, m.acceptErrors, m.slow, m.received, m.sent}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.ports.count()
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

// Forget drops what was counted for a listener that is gone.
func (m *Metrics) Forget(listener string) {
	l := prometheus.Labels{"listener": listener}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.accepted, m.open, m.refusals, m.protocols, m.detect, m.acceptErrors, m.slow, m.received, m.sent} {
		v.DeletePartialMatch(l)
	}
}

// AcceptError counts a failure of the accept loop of a listener.
func (m *Metrics) AcceptError(listener string) { m.acceptErrors.WithLabelValues(listener).Inc() }

// portStats are the counters of one listener, looked up once.
type portStats struct {
	m        *Metrics
	listener string
	accepted prometheus.Counter
	open     prometheus.Gauge
	received prometheus.Counter
	sent     prometheus.Counter
	detect   prometheus.Observer
}

func (m *Metrics) port(listener string) *portStats {
	return &portStats{
		m:        m,
		listener: listener,
		accepted: m.accepted.WithLabelValues(listener),
		open:     m.open.WithLabelValues(listener),
		received: m.received.WithLabelValues(listener),
		sent:     m.sent.WithLabelValues(listener),
		detect:   m.detect.WithLabelValues(listener),
	}
}

func (s *portStats) refused(reason string) { s.m.refusals.WithLabelValues(s.listener, reason).Inc() }

// What a client was too slow with: the values of the reason label.
const (
	slowBody   = "body"
	slowAnswer = "answer"
)

func (s *portStats) tooSlow(reason string) { s.m.slow.WithLabelValues(s.listener, reason).Inc() }

func (s *portStats) detected(p Protocol, after time.Duration) {
	if p == Unknown {
		p = "unknown"
	}
	s.m.protocols.WithLabelValues(s.listener, string(p)).Inc()
	s.detect.Observe(after.Seconds())
}
