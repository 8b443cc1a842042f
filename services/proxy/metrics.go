package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/upstream"
)

// metrics are the service's own; the daemon adds its label.
type metrics struct {
	attempts, retries, failures, timeouts, unserved, busy prometheus.Counter
	websockets                                            prometheus.Gauge
	cacheHits, cacheMisses, cacheStale                    prometheus.Counter
	cacheValidated, cacheCollapsed                        prometheus.Counter
	received, sent                                        prometheus.Counter
	header                                                prometheus.Histogram
	all                                                   []prometheus.Collector
}

func newMetrics(s *Service) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_proxy_" + name, Help: help})
	}
	gauge := func(name, help string, f func(upstream.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_proxy_" + name, Help: help}, func() float64 { return float64(f(s.pool.Stats())) })
	}
	kept := func(name, help string, f func(*store) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_proxy_cache_" + name, Help: help}, func() float64 {
			if st := s.gen.Load().store; st != nil {
				return f(st)
			}
			return 0
		})
	}
	m := &metrics{
		cacheHits:      counter("cache_hits_total", "Requests answered from memory without asking an upstream."),
		cacheMisses:    counter("cache_misses_total", "Requests that could have been answered from memory, and were not."),
		cacheStale:     counter("cache_stale_total", "Requests answered from memory with what was not fresh any more, because it is renewed or the upstream failed."),
		cacheValidated: counter("cache_validated_total", "Requests answered from memory after an upstream said that it is good still."),
		cacheCollapsed: counter("cache_collapsed_total", "Requests that waited for another one that asked for the same."),
		attempts:       counter("attempts_total", "Requests sent to upstreams, with repeated ones."),
		retries:        counter("retries_total", "Requests sent to another upstream after one had failed."),
		failures:       counter("failures_total", "Requests that an upstream did not answer."),
		timeouts:       counter("timeouts_total", "Requests that an upstream did not answer in time; among the failures."),
		unserved:       counter("unserved_total", "Requests that were refused because no upstream was up."),
		busy:           counter("busy_total", "Requests that were refused because all upstreams had enough and the queue was full or slow."),
		websockets:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_proxy_websockets", Help: "WebSockets that are open now."}),
		received:       counter("websocket_received_bytes_total", "Bytes passed on from clients over WebSockets."),
		sent:           counter("websocket_sent_bytes_total", "Bytes passed on to clients over WebSockets."),
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
	m.all = append(m.all, m.cacheHits, m.cacheMisses, m.cacheStale, m.cacheValidated, m.cacheCollapsed,
		kept("bytes", "Memory that kept answers take now.", func(st *store) float64 { return float64(st.cache.WeightedSize()) }),
		kept("resources", "Resources of which answers are kept now.", func(st *store) float64 { return float64(st.cache.EstimatedSize()) }))
	return m
}
