package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/upstream"
)

// metrics are the service's own; the daemon adds its label.
type metrics struct {
	attempts, retries, failures, timeouts, unserved, busy prometheus.Counter
	websockets                                            prometheus.Gauge
	received, sent                                        prometheus.Counter
	header                                                prometheus.Histogram
	all                                                   []prometheus.Collector
}

func newMetrics(pool *upstream.Pool) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_proxy_" + name, Help: help})
	}
	gauge := func(name, help string, f func(upstream.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_proxy_" + name, Help: help}, func() float64 { return float64(f(pool.Stats())) })
	}
	m := &metrics{
		attempts:   counter("attempts_total", "Requests sent to upstreams, with repeated ones."),
		retries:    counter("retries_total", "Requests sent to another upstream after one had failed."),
		failures:   counter("failures_total", "Requests that an upstream did not answer."),
		timeouts:   counter("timeouts_total", "Requests that an upstream did not answer in time; among the failures."),
		unserved:   counter("unserved_total", "Requests that were refused because no upstream was up."),
		busy:       counter("busy_total", "Requests that were refused because all upstreams had enough and the queue was full or slow."),
		websockets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_proxy_websockets", Help: "WebSockets that are open now."}),
		received:   counter("websocket_received_bytes_total", "Bytes passed on from clients over WebSockets."),
		sent:       counter("websocket_sent_bytes_total", "Bytes passed on to clients over WebSockets."),
		header: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "portico_proxy_header_duration_seconds", Help: "How long upstreams took until the header of their answer was there.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
	}
	m.all = []prometheus.Collector{
		m.attempts, m.retries, m.failures, m.timeouts, m.unserved, m.busy, m.websockets, m.received, m.sent, m.header,
		gauge("upstreams", "Upstreams of the service.", func(s upstream.Stats) int { return s.All }),
		gauge("upstreams_up", "Upstreams of the service that are up.", func(s upstream.Stats) int { return s.Up }),
		gauge("in_flight_requests", "Requests and WebSockets that upstreams are busy with now.", func(s upstream.Stats) int { return s.Leases }),
		gauge("waiting_requests", "Requests that wait in the queue now.", func(s upstream.Stats) int { return s.Waiting }),
	}
	return m
}
