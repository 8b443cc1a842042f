package daemon

import (
	"github.com/prometheus/client_golang/prometheus"
)

// reloadMetrics tell whether the file on disk is what runs.
type reloadMetrics struct {
	failed     prometheus.Counter
	done       prometheus.Counter
	lastOK     prometheus.Gauge
	generation prometheus.Gauge
}

func newReloadMetrics(reg prometheus.Registerer) reloadMetrics {
	m := reloadMetrics{
		failed:     prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_reloads_failed_total", Help: "Reloads that changed nothing because the file was bad or preparing failed."}),
		done:       prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_reloads_total", Help: "Configurations that were applied, the first included."}),
		lastOK:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_last_reload_ok", Help: "1 if the last reload was applied, 0 if it failed."}),
		generation: prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_generation", Help: "Number of the running generation, from 1."}),
	}
	reg.MustRegister(m.failed, m.done, m.lastOK, m.generation)
	return m
}

func (m reloadMetrics) succeeded(generation int) {
	m.done.Inc()
	m.lastOK.Set(1)
	m.generation.Set(float64(generation))
}

func (m reloadMetrics) fail() {
	m.failed.Inc()
	m.lastOK.Set(0)
}

// The values of the result label of connections that another process froze.
const (
	thawedOn   = "on"   // its client noticed nothing
	thawedLost = "lost" // its client was told to come back
)

func newThawedMetric() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_thawed_connections_total", Help: "Connections taken over from the process before: those that go on, and those that were closed."}, []string{"result"})
	v.WithLabelValues(thawedOn)
	v.WithLabelValues(thawedLost)
	return v
}
