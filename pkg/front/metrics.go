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
	limited, slowed                      *prometheus.CounterVec
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
	m.limited = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_http_limited_total",
		Help: "Requests that a limit of the listener refused or ended."}, []string{"listener", "reason"})
	m.slowed = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_http_slowed_seconds_total",
		Help: "Time that parts of answers waited because of the limit of bytes."}, []string{"listener"})
	reg.MustRegister(m.limited, m.slowed, m.requests, m.clientErrors, m.serverErrors, m.bytesIn, m.bytesOut, m.inFlight, m.seconds)
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
		m.requests, m.clientErrors, m.serverErrors, m.bytesIn, m.bytesOut, m.inFlight, m.seconds, m.limited, m.slowed,
	} {
		v.DeletePartialMatch(match)
	}
}

// Why a limit refused or ended a request: the values of the reason label.
const (
	limitedRequests = "requests" // too many of one address
	limitedBody     = "body"     // too large
	limitedSlow     = "slow"     // the client takes its answer too slowly (HTTP/2 and 3; see portico_listener_slow_total)
)

// Limited counts what the limits of one listener did. A nil *Limited counts
// nothing.
type Limited struct {
	byReason *prometheus.CounterVec
	seconds  prometheus.Counter
}

// Limited returns the metrics of a listener's limits.
func (m *Metrics) Limited(listener string) *Limited {
	return &Limited{m.limited.MustCurryWith(prometheus.Labels{"listener": listener}), m.slowed.WithLabelValues(listener)}
}

func (l *Limited) count(reason string) {
	if l != nil {
		l.byReason.WithLabelValues(reason).Inc()
	}
}

func (l *Limited) slowed(by time.Duration) {
	if l != nil {
		l.seconds.Add(by.Seconds())
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
	if in > 0 {
		c.bytesIn.Add(float64(in))
	}
	c.bytesOut.Add(float64(out))
	c.seconds.Observe(took.Seconds())
}
