package ratelimit_test

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAllow(t *testing.T) {
	l := ratelimit.New[string](2, 3, 10)
	steps := []struct {
		key   string
		after time.Duration
		want  bool
	}{
		{"a", 0, true}, {"a", 0, true}, {"a", 0, true}, {"a", 0, false}, // the burst
		{"b", 0, true},                       // another's
		{"a", 499 * time.Millisecond, false}, // half a second a token
		{"a", 501 * time.Millisecond, true},  //
		{"a", 502 * time.Millisecond, false}, //
		{"a", 400 * time.Millisecond, false}, // the clock went back
		{"a", time.Hour, true},               // never more than the burst
		{"a", time.Hour, true}, {"a", time.Hour, true}, {"a", time.Hour, false},
	}
	for i, s := range steps {
		if got := l.Allow(s.key, start.Add(s.after)); got != s.want {
			t.Errorf("step %d: %s after %v: %v, want %v", i, s.key, s.after, got, s.want)
		}
	}
}

func TestBounded(t *testing.T) {
	l := ratelimit.New[int](1, 1, 100)
	for i := range 10_000 {
		if !l.Allow(i, start) {
			t.Fatalf("key %d is shut out", i)
		}
		if n := l.Len(); n > 100 {
			t.Fatalf("%d keys are remembered", n)
		}
	}
	// Those that have rested go first: whoever is active stays limited.
	l = ratelimit.New[int](1, 1, 100)
	for i := range 99 {
		l.Allow(i, start)
	}
	later := start.Add(time.Minute)
	l.Allow(-1, later)
	l.Allow(-2, later)
	if l.Allow(-1, later) || l.Len() != 2 {
		t.Errorf("an active key was forgotten; %d are remembered", l.Len())
	}
}

func TestZero(t *testing.T) {
	l := ratelimit.New[int](0, 0, 0)
	if !l.Allow(1, start) || l.Allow(1, start.Add(time.Hour)) {
		t.Error("no rate: one event, and no more")
	}
}

func BenchmarkAllow(b *testing.B) {
	l := ratelimit.New[int](1, 1, 1000)
	b.ReportAllocs()
	for i := range b.N {
		l.Allow(i%2000, start.Add(time.Duration(i)*time.Millisecond))
	}
}
