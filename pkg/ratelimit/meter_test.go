package ratelimit_test

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

func TestMeter(t *testing.T) {
	type step struct {
		n      int64
		waited time.Duration
	}
	const s = time.Second
	for _, tt := range []struct {
		name  string
		meter ratelimit.Meter
		steps []step
		slow  bool
	}{
		{"off", ratelimit.Meter{}, []step{{0, 100 * s}}, false},
		{"a byte a second", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{1, s}, {1, s}, {1, s}, {1, s}}, true},
		{"not for a whole window", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{1, s}, {1, s}, {1, s}}, false},
		{"enough", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{100, s}, {0, s}, {200, s}, {100, s}}, false},
		{"nobody waits", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{1, 0}, {1, time.Millisecond}, {1, 0}}, false},
		{"a burst does not last", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{1 << 20, 2 * s}, {0, 2 * s}, {0, 2 * s}}, true},
		{"one long wait", ratelimit.Meter{Rate: 100, Window: 4 * s}, []step{{399, 4 * s}}, true},
	} {
		slow := false
		for _, st := range tt.steps {
			slow = tt.meter.Slow(st.n, st.waited) || slow
		}
		if slow != tt.slow {
			t.Errorf("%s: slow is %v", tt.name, slow)
		}
	}
}

func TestTakeSaysHowLong(t *testing.T) {
	l := ratelimit.New[string](2, 2, 10)
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{0, 0, 500 * time.Millisecond, 500 * time.Millisecond} {
		if got := l.Take("a", now); got != want {
			t.Errorf("take %d: %v, want %v", i, got, want)
		}
	}
	if got := l.Take("a", now.Add(500*time.Millisecond)); got != 0 {
		t.Errorf("after the time it said: %v", got)
	}
	if got := ratelimit.New[string](0, 1, 1); got.Take("a", now) != 0 || got.Take("a", now) != 24*time.Hour {
		t.Error("a rate of 0 does not wait for ever")
	}
}

// Two who share a key and wait as they are told move at its rate together.
func TestSpend(t *testing.T) {
	l := ratelimit.New[string](100, 100, 10)
	now := time.Unix(1000, 0)
	var at [2]time.Time
	at[0], at[1] = now, now
	for i := range 40 { // 40 parts of 50
		at[i%2] = at[i%2].Add(l.Spend("a", 50, at[i%2]))
	}
	// 2000 tokens, 100 of them at once.
	if last := max(at[0].Sub(now), at[1].Sub(now)); last < 18*time.Second || last > 20*time.Second {
		t.Errorf("2000 tokens took %v, want 19 s", last)
	}
	if wait := l.Spend("b", 50, now); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
}
