package chat

import "github.com/prometheus/client_golang/prometheus"

// metrics are the chat's own. The daemon adds the service's label.
type metrics struct {
	messages prometheus.Counter
	slow     prometheus.Counter
	commit   prometheus.Histogram
	all      []prometheus.Collector
}

func newMetrics() *metrics {
	m := &metrics{
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portico_chat_messages_total", Help: "Messages stored, without duplicates.",
		}),
		slow: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portico_chat_slow_closed_total", Help: "Connections closed because the client did not read fast enough.",
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "portico_chat_commit_seconds", Help: "Time from a send until it was on disk.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	m.all = []prometheus.Collector{m.messages, m.slow, m.commit}
	return m
}

func (m *metrics) gauge(size func() int) {
	m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portico_chat_connections", Help: "WebSockets, event streams and long polls of signed-in users.",
	}, func() float64 { return float64(size()) }))
}
