package services

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
)

// Collectors are metrics of what services share: the making of pictures, and the
// bus where there is one.
func (s *Shared) Collectors() []prometheus.Collector {
	return append(s.pictureMetrics(), s.busMetrics()...)
}

func (s *Shared) busMetrics() []prometheus.Collector {
	b := s.Storage.Bus()
	if !b.Others() {
		return nil
	}
	counter := func(name, help string, f func(bus.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "portico_bus_" + name, Help: help}, func() float64 { return float64(f(b.Stats())) })
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "portico_bus_up", Help: "1 while the bus to other nodes is there."}, func() float64 {
			if b.Healthy() {
				return 1
			}
			return 0
		}),
		counter("sent_total", "Messages that went to other nodes.", func(t bus.Stats) uint64 { return t.Sent }),
		counter("received_total", "Messages that came from other nodes.", func(t bus.Stats) uint64 { return t.Received }),
		counter("dropped_total", "Messages that were too large, too old or too many; who missed one reads the store.", func(t bus.Stats) uint64 {
			return t.TooLarge + t.Unsent + t.Unheard
		}),
	}
}

func (s *Shared) pictureMetrics() []prometheus.Collector {
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
