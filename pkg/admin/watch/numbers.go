package watch

import (
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// shown elsewhere in a View, or of no use in it.
func elsewhere(name string) bool {
	switch name {
	case "portico_build_info", "portico_generation", "portico_last_reload_ok", "portico_reloads_total", "portico_reloads_failed_total":
		return true
	}
	for _, prefix := range []string{"portico_http_", "portico_listener_", "portico_tls_", "portico_service_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// numbers are those with the label of a service, or without any, where service
// is "".
func (c *comparison) numbers(service string) []Number {
	list := []Number{}
	for _, name := range c.now.names("portico_") {
		if elsewhere(name) {
			continue
		}
		f := c.now.families[name]
		for _, m := range f.GetMetric() {
			if label(m, "service") != service || label(m, "listener") != "" {
				continue
			}
			if n, ok := c.number(f, m, service); ok {
				list = append(list, n)
			}
		}
	}
	return list
}

func (c *comparison) number(f *dto.MetricFamily, m *dto.Metric, service string) (Number, bool) {
	n := Number{Metric: f.GetName(), Help: f.GetHelp()}
	kind, _, _ := strings.Cut(service, ".")
	n.Name, n.Unit = spell(f, kind)
	for _, l := range m.GetLabel() {
		if l.GetName() != "service" {
			n.Name += " " + l.GetValue()
		}
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		n.Value = c.rate(f.GetName(), m)
	case dto.MetricType_HISTOGRAM:
		if c.seconds <= 0 {
			break
		}
		var b buckets
		b.add(m.GetHistogram(), c.before.series[key(f.GetName(), m)].GetHistogram())
		n.Value, n.P50, n.P99 = b.count/c.seconds, b.quantile(.5), b.quantile(.99)
	case dto.MetricType_GAUGE:
		if math.IsNaN(m.GetGauge().GetValue()) {
			return n, false // not known at present
		}
		n.Value = value(m)
	default:
		return n, false
	}
	return n, true
}

// spell makes a name for people and a unit from a metric's.
func spell(f *dto.MetricFamily, kind string) (name, unit string) {
	name = strings.TrimPrefix(f.GetName(), "portico_")
	if kind != "" {
		name = strings.TrimPrefix(name, kind+"_")
	}
	cut := func(suffix string) (found bool) {
		name, found = strings.CutSuffix(name, suffix)
		return found
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		cut("_total")
		switch {
		case cut("_bytes"):
			unit = UnitBytesPerSecond
		case cut("_seconds"):
			unit = UnitShare
		default:
			unit = UnitPerSecond
		}
	case dto.MetricType_HISTOGRAM:
		unit = UnitPerSecond
		_ = cut("_duration_seconds") || cut("_seconds")
	default:
		switch {
		case cut("_time_seconds"), cut("_timestamp_seconds"):
			unit = UnitTime
		case cut("_seconds"):
			unit = UnitSeconds
		case cut("_bytes"):
			unit = UnitBytes
		}
	}
	return strings.ReplaceAll(name, "_", " "), unit
}
