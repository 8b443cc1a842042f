package daemon

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/steady/steadytest"
)

// TestUptimeAndClocks: for how long a daemon is up does not depend on the time of
// day that it began with.
func TestUptimeAndClocks(t *testing.T) {
	d := New(Options{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	for _, step := range []time.Duration{0, -40 * 365 * 24 * time.Hour, 24 * time.Hour} {
		d.started = steadytest.Step(time.Now().Add(-time.Hour), step)
		up := time.Since(d.Status().Started.Round(0)) // as others read it
		if up < time.Hour || up > time.Hour+time.Minute {
			t.Errorf("up %v after a start with a clock that was wrong by %v", up, step)
		}
	}
}
