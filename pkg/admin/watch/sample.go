package watch

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/porticod/portico/pkg/daemon"
)

// A Sample is one look at a daemon. It does not change.
type Sample struct {
	at       time.Time
	status   daemon.Status
	families map[string]*dto.MetricFamily
	series   map[string]*dto.Metric // by name and labels
}

// Take looks. What cannot be gathered is left out.
func Take(g prometheus.Gatherer, status func() daemon.Status) *Sample {
	list, _ := g.Gather() // what came of it is of use, an error or not
	s := &Sample{at: time.Now(), status: status(), families: make(map[string]*dto.MetricFamily, len(list)), series: map[string]*dto.Metric{}}
	for _, f := range list {
		s.families[f.GetName()] = f
		for _, m := range f.GetMetric() {
			s.series[key(f.GetName(), m)] = m
		}
	}
	return s
}

// Since is how much later than earlier s was taken.
func (s *Sample) Since(earlier *Sample) time.Duration { return s.at.Sub(earlier.at) }

// key names a series. The labels of gathered metrics are sorted.
func key(name string, m *dto.Metric) string {
	var b strings.Builder
	b.WriteString(name)
	for _, l := range m.GetLabel() {
		b.WriteByte(0)
		b.WriteString(l.GetName())
		b.WriteByte('=')
		b.WriteString(l.GetValue())
	}
	return b.String()
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// names are those of the families that begin with prefix, sorted.
func (s *Sample) names(prefix string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	return list
}

// value is a gauge's or a counter's, 0 where it is no number.
func value(m *dto.Metric) float64 {
	var v float64
	switch {
	case m.GetCounter() != nil:
		v = m.GetCounter().GetValue()
	case m.GetGauge() != nil:
		v = m.GetGauge().GetValue()
	case m.GetUntyped() != nil:
		v = m.GetUntyped().GetValue()
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// one is the value of a metric without labels.
func (s *Sample) one(name string) float64 { return value(s.series[name]) }
