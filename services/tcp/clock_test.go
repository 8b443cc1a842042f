package tcp

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/steady/steadytest"
)

// TestClocksEndNoPackets: how long a peer may be silent does not depend on the
// time of day.
func TestClocksEndNoPackets(t *testing.T) {
	f := &packetRelay{idle: time.Minute, born: time.Now()}
	f.heard.Store(int64(10 * time.Second))
	now := f.born.Add(30 * time.Second)
	for _, step := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute, 56 * 365 * 24 * time.Hour} {
		if left := f.left(steadytest.Step(now, step)); left != 40*time.Second {
			t.Errorf("%v left after a step of %v", left, step)
		}
	}
}
