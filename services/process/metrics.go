package process

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	up, started, startup                       prometheus.Gauge
	restarts, failed, replaced, refused, lines prometheus.Counter
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "portico", Subsystem: "process", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "portico", Subsystem: "process", Name: name, Help: help})
	}
	return &metrics{
		up:       gauge("up", "Whether a program serves and is well."),
		started:  gauge("start_time_seconds", "When the program that serves was started, since 1970."),
		startup:  gauge("startup_seconds", "How long the program that serves took to become ready."),
		restarts: counter("restarts_total", "Starts because the program ended or was not well."),
		failed:   counter("failed_starts_total", "Starts after which the program did not become ready."),
		replaced: counter("replacements_total", "Programs that were replaced by another while they served."),
		refused:  counter("refused_requests_total", "Requests and connections that found no program in time."),
		lines:    counter("dropped_lines_total", "Lines of output that did not go into the log."),
	}
}

// ready notes a program that serves from now on.
func (m *metrics) ready(c *child) {
	m.up.Set(1)
	m.started.Set(float64(c.started.UnixMilli()) / 1000)
	m.startup.Set(time.Since(c.started).Seconds())
}

// Collectors implements service.Metered.
func (s *Service) Collectors() []prometheus.Collector {
	m := s.metrics
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "portico", Subsystem: "process", Name: "waiting_requests",
		Help: "Requests and connections that wait for a program.",
	}, func() float64 { return float64(s.gate.load()) })
	return []prometheus.Collector{m.up, m.started, m.startup, m.restarts, m.failed, m.replaced, m.refused, m.lines, waiting}
}
