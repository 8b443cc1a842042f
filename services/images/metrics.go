package images

import "github.com/prometheus/client_golang/prometheus"

// metrics are the service's own; the daemon adds its label.
type metrics struct {
	memoryHits, diskHits, failures prometheus.Counter
	made                           prometheus.Histogram
	all                            []prometheus.Collector
}

func newMetrics(s *Service) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_images_" + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_images_" + name, Help: help}, f)
	}
	m := &metrics{
		memoryHits: counter("memory_hits_total", "Versions of pictures that came from memory."),
		diskHits:   counter("disk_hits_total", "Versions of pictures that came from the cache on disk."),
		failures:   counter("failures_total", "Versions of pictures that could not be made."),
		made: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "portico_images_make_duration_seconds",
			Help:    "How long it took to make versions that were in no cache, with waiting for a turn.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	m.all = []prometheus.Collector{
		m.memoryHits, m.diskHits, m.failures, m.made,
		gauge("waiting_versions", "Versions in WebP and AVIF that wait to be made.", func() float64 { return float64(len(s.wanted)) }),
		gauge("memory_cache_bytes", "Size of the cache in memory.", func() float64 { return float64(s.hot.WeightedSize()) }),
		gauge("disk_cache_bytes", "Size of the cache on disk.", func() float64 { b, _, _ := s.disk.stats(); return float64(b) }),
		gauge("disk_cache_files", "Files in the cache on disk.", func() float64 { _, n, _ := s.disk.stats(); return float64(n) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "portico_images_disk_evictions_total", Help: "Files that had to leave the cache on disk.",
		}, func() float64 { _, _, n := s.disk.stats(); return float64(n) }),
	}
	return m
}
