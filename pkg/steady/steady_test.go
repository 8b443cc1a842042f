package steady_test

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/pkg/steady/steadytest"
)

// TestStepsAreBelievedLate: what the clock shows after it was put forward or
// back, and a day later.
func TestStepsAreBelievedLate(t *testing.T) {
	const year = 365 * 24 * time.Hour
	begin := time.Now()
	var passed, stepped time.Duration
	c := &steady.Clock{Read: func() time.Time { return steadytest.Step(begin.Add(passed), stepped) }}
	for i, s := range []struct{ wait, step, behind time.Duration }{
		{0, 0, 0},
		{time.Hour, 0, 0},
		{time.Hour, 12 * year, 12 * year}, // a wrong clock
		{time.Hour, -12 * year, 0},        // that was put right
		{time.Hour, 5 * time.Minute, 5 * time.Minute},
		{time.Hour, time.Hour, 65 * time.Minute},   // once more
		{23*time.Hour + time.Minute, 0, time.Hour}, // the first of them is believed by now
		{time.Hour, 0, 0},
		{time.Minute, -time.Hour, 0},
		{0, time.Hour, time.Hour},
		{23 * time.Hour, 0, time.Hour},
		{2 * time.Hour, 0, 0},
	} {
		passed += s.wait
		stepped += s.step
		wall := begin.Add(passed + stepped).Round(0)
		if got := wall.Sub(c.Now()); got != s.behind {
			t.Errorf("%d: %v behind the time of day, want %v", i, got, s.behind)
		}
	}
}

// TestDrift: a clock that is slowly put right takes no memory to speak of, and
// stays within a moment of the time of day.
func TestDrift(t *testing.T) {
	begin := time.Now()
	var n int
	c := &steady.Clock{Read: func() time.Time {
		n++
		passed := time.Duration(n) * time.Minute
		return steadytest.Step(begin.Add(passed), (passed / 2000).Truncate(time.Second)) // the kernel's limit
	}}
	for range 10_000 {
		c.Now()
	}
	passed := time.Duration(n+1) * time.Minute
	if late := begin.Add(passed + passed/2000).Round(0).Sub(c.Now()); late > 46*time.Second || late < 0 {
		t.Errorf("%v late", late)
	}
	if got := testing.AllocsPerRun(2000, func() { c.Now() }); got > 1 {
		t.Errorf("%v allocations for a reading", got)
	}
}

// TestTheMachinesClock: the zero Clock shows it.
func TestTheMachinesClock(t *testing.T) {
	var c steady.Clock
	before := time.Now().Round(0)
	if got := c.Now(); got.Before(before) || time.Until(got) > 0 {
		t.Errorf("%v at %v", got, before)
	}
}
