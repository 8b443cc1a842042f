package front

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the request metrics of all listeners.
type Metrics struct {
	requests, clientErrors, serverErrors *prometheus.CounterVec
	bytesIn, bytesOut                    *prometheus.CounterVec
	inFlight                             *prometheus.GaugeVec
	seconds                              *prometheus.HistogramVec
}

// NewMetrics returns metrics that are registered with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	labels := []string{"listener", "route", "service"}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_http_" + name, Help: help}, labels)
	}
	m := &Metrics{
		requests:     counter("requests_total", "Requests that were answered."),
		clientErrors: counter("client_errors_total", "Requests that were answered with a status from 400 to 499."),
		serverErrors: counter("server_errors_total", "Requests that were answered with a status from 500 on."),
		bytesIn:      counter("request_bytes_total", "Bytes of request bodies."),
		bytesOut:     counter("response_bytes_total", "Bytes of answers, without their headers."),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "portico_http_requests_in_flight",
			Help: "Requests in progress."}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "portico_http_request_seconds",
			Help: "Time from a request's header to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, labels),
	}
	reg.MustRegister(m.requests, m.clientErrors, m.serverErrors, m.bytesIn, m.bytesOut, m.inFlight, m.seconds)
	return m
}

// Counters are the metrics of one route, looked up once per generation.
type Counters struct {
	requests, clientErrors, serverErrors, bytesIn, bytesOut prometheus.Counter
	inFlight                                                prometheus.Gauge
	seconds                                                 prometheus.Observer
}

// Counters returns the metrics of one route of a listener.
func (m *Metrics) Counters(listener, route, service string) *Counters {
	return &Counters{
		requests:     m.requests.WithLabelValues(listener, route, service),
		clientErrors: m.clientErrors.WithLabelValues(listener, route, service),
		serverErrors: m.serverErrors.WithLabelValues(listener, route, service),
		bytesIn:      m.bytesIn.WithLabelValues(listener, route, service),
		bytesOut:     m.bytesOut.WithLabelValues(listener, route, service),
		inFlight:     m.inFlight.WithLabelValues(listener, route, service),
		seconds:      m.seconds.WithLabelValues(listener, route, service),
	}
}

// Forget drops the metrics of a listener that is no more.
func (m *Metrics) Forget(listener string) {
	match := prometheus.Labels{"listener": listener}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.requests, m.clientErrors, m.serverErrors, m.bytesIn, m.bytesOut, m.inFlight, m.seconds,
	} {
		v.DeletePartialMatch(match)
	}
}

func (c *Counters) observe(status int, took time.Duration, in, out int64) {
	c.requests.Inc()
	switch {
	case status >= 500:
		c.serverErrors.Inc()
	case status >= 400:
		c.clientErrors.Inc()
	}
	c.bytesIn.Add(float64(in))
	c.bytesOut.Add(float64(out))
	c.seconds.Observe(took.Seconds())
}
