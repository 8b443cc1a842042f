package watch

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/daemon"
)

// healthWait is how long a scrape waits for the daemon's status. While a reload
// prepares there is none; then the last one is told.
const healthWait = time.Second

// Health makes metrics of a daemon's status: what an alert wants to know and
// nothing counts. It is a prometheus.Collector.
type Health struct {
	status          func() daemon.Status
	ready, healthy  *prometheus.Desc
	expiry, missing *prometheus.Desc

	mu     sync.Mutex    // guards what follows
	asking chan struct{} // closed when the answer is there; nil: nobody asks
	last   daemon.Status
}

// NewHealth returns metrics that call status at each scrape, once at a time.
func NewHealth(status func() daemon.Status) *Health {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Health{
		status:  status,
		ready:   desc("portico_ready", "1 if everything is bound, all services are well and the file is the one that runs; else 0."),
		healthy: desc("portico_service_healthy", "1 if the service can do its work, else 0.", "service"),
		expiry:  desc("portico_tls_certificate_expiry_timestamp_seconds", "When the first of the listener's certificates ends, since 1970.", "listener"),
		missing: desc("portico_tls_certificates_missing", "Certificates of the listener that were not obtained yet.", "listener"),
	}
}

// Describe implements prometheus.Collector.
func (h *Health) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{h.ready, h.healthy, h.expiry, h.missing} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (h *Health) Collect(ch chan<- prometheus.Metric) {
	s := h.ask()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(h.ready, truth(s.Ready))
	for _, svc := range s.Services {
		if svc.State == "running" {
			gauge(h.healthy, truth(svc.Health == "ok"), svc.Kind+"."+svc.Name)
		}
	}
	for _, l := range s.Listeners {
		if !l.TLS {
			continue
		}
		var first time.Time
		missing := 0
		for _, c := range l.Certificates {
			switch {
			case c.Missing:
				missing++
			case first.IsZero() || c.NotAfter.Before(first):
				first = c.NotAfter
			}
		}
		if !first.IsZero() {
			gauge(h.expiry, float64(first.Unix()), l.Name)
		}
		gauge(h.missing, float64(missing), l.Name)
	}
}

// ask returns the status of now, or the last one if that takes too long.
func (h *Health) ask() daemon.Status {
	h.mu.Lock()
	if h.asking == nil {
		h.asking = make(chan struct{})
		go h.answer(h.asking)
	}
	asking := h.asking
	h.mu.Unlock()

	late := time.NewTimer(healthWait)
	defer late.Stop()
	select {
	case <-asking:
	case <-late.C:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// answer ends with the daemon's answer.
func (h *Health) answer(asking chan struct{}) {
	s := h.status()
	h.mu.Lock()
	h.last, h.asking = s, nil
	h.mu.Unlock()
	close(asking)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
