package services

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/picture"
)

// Collectors are metrics of what services share: the making of pictures.
func (s *Shared) Collectors() []prometheus.Collector {
	gauge := func(name, help string, f func(picture.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_pictures_" + name, Help: help}, func() float64 { return f(s.Pictures.Stats()) })
	}
	counter := func(name, help string, f func(picture.Stats) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "portico_pictures_" + name, Help: help}, func() float64 { return f(s.Pictures.Stats()) })
	}
	return []prometheus.Collector{
		gauge("in_work", "Pictures that are being worked on.", func(t picture.Stats) float64 { return float64(t.Running) }),
		gauge("waiting", "Callers that wait for a turn.", func(t picture.Stats) float64 { return float64(t.Waiting) }),
		gauge("memory_bytes", "Memory that pictures in work may take.", func(t picture.Stats) float64 { return float64(t.Memory) }),
		gauge("memory_limit_bytes", "Memory that all pictures in work may take together.", func(t picture.Stats) float64 { return float64(t.Budget) }),
		counter("made_total", "Versions of pictures that were made.", func(t picture.Stats) float64 { return float64(t.Made) }),
		counter("refused_total", "Callers that were sent away because the queue was full or slow.", func(t picture.Stats) float64 { return float64(t.Refused) }),
	}
}
