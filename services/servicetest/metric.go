package servicetest

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
)

// Metric is the value of a counter or gauge of s that has no labels.
func Metric(t testing.TB, s service.Metered, name string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric()[0]; f.GetName() == name {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// WaitMetric waits until a metric has a value.
func WaitMetric(t testing.TB, s service.Metered, name string, want float64) {
	t.Helper()
	wait.Right(t, func() string {
		if got := Metric(t, s, name); got != want {
			return fmt.Sprintf("%s is %v instead of %v", name, got, want)
		}
		return ""
	})
}
