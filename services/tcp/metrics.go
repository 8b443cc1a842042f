package tcp

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/upstream"
)

// metrics are the service's own; the daemon adds its label.
type metrics struct {
	open                                       prometheus.Gauge
	relayed, unserved, failures, idle, aborted prometheus.Counter
	received, sent                             prometheus.Counter
	connect                                    prometheus.Histogram
	all                                        []prometheus.Collector
}

func newMetrics(pool *upstream.Pool) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_tcp_" + name, Help: help})
	}
	gauge := func(name, help string, f func(upstream.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_tcp_" + name, Help: help}, func() float64 { return float64(f(pool.Stats())) })
	}
	m := &metrics{
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_tcp_connections", Help: "Connections that are being relayed now."}),
		relayed:  counter("connections_total", "Connections that an upstream took."),
		unserved: counter("unserved_total", "Connections that were closed because no upstream took them."),
		failures: counter("connect_failures_total", "Attempts to connect to an upstream that failed."),
		idle:     counter("idle_closed_total", "Connections that were closed because nothing came for too long."),
		aborted:  counter("aborted_total", "Connections that one side broke off, which was passed on to the other."),
		received: counter("received_bytes_total", "Bytes passed on from clients."),
		sent:     counter("sent_bytes_total", "Bytes passed on to clients."),
		connect: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "portico_tcp_connect_duration_seconds", Help: "How long upstreams took to accept a connection.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
	}
	m.all = []prometheus.Collector{
		m.open, m.relayed, m.unserved, m.failures, m.idle, m.aborted, m.received, m.sent, m.connect,
		gauge("upstreams", "Upstreams of the service.", func(s upstream.Stats) int { return s.All }),
		gauge("upstreams_up", "Upstreams of the service that are up.", func(s upstream.Stats) int { return s.Up }),
	}
	return m
}

func (m *metrics) countReceived(n int) { m.received.Add(float64(n)) }
func (m *metrics) countSent(n int)     { m.sent.Add(float64(n)) }
