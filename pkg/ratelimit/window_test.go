package ratelimit_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ratelimit.NewWindow[string](3, time.Minute)
		for i := range 3 {
			if wait := w.Take("a"); wait != 0 {
				t.Fatalf("event %d has to wait %v", i, wait)
			}
			time.Sleep(10 * time.Second)
		}
		if wait := w.Take("a"); wait != 30*time.Second {
			t.Fatalf("the fourth has to wait %v, want 30s", wait)
		}
		if wait := w.Take("b"); wait != 0 {
			t.Fatalf("another key has to wait %v", wait)
		}
		w.Forget("a")
		w.Forget("unknown")
		if wait := w.Take("a"); wait != 0 {
			t.Fatalf("after one was given back: %v", wait)
		}
		time.Sleep(30 * time.Second)
		if wait := w.Take("a"); wait != 0 {
			t.Fatalf("when the first is old: %v", wait)
		}
		if wait := w.Take("a"); wait != 10*time.Second {
			t.Fatalf("the window does not slide: %v", wait)
		}
	})
}

// What happened elsewhere counts, and what is beyond the limit makes the wait
// longer, without being kept.
func TestWindowCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ratelimit.NewWindow[string](3, time.Minute)
		w.Count("a")
		w.Take("a")
		time.Sleep(10 * time.Second)
		for range 100 {
			w.Count("a")
		}
		if wait := w.Take("a"); wait != time.Minute {
			t.Errorf("has to wait %v, want 1m", wait)
		}
		w.SetLimit(2)
		w.Count("a")
		time.Sleep(time.Minute)
		if wait := w.Take("a"); wait != 0 {
			t.Errorf("when all is old: %v", wait)
		}
	})
}

func TestWindowForgetsTheLeastUsed(t *testing.T) {
	w := ratelimit.NewWindow[int](1, time.Hour)
	for i := range ratelimit.MaxKeys {
		w.Take(i)
	}
	w.Take(0) // refused, but used
	w.Take(ratelimit.MaxKeys)
	if w.Take(0) == 0 {
		t.Error("the key in use was forgotten")
	}
	if w.Take(1) != 0 {
		t.Error("the least used key was kept")
	}
}

func TestWindowConcurrent(t *testing.T) {
	w := ratelimit.NewWindow[string](10, time.Hour)
	var ok atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if w.Take("a") == 0 {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 10 {
		t.Fatalf("%d were allowed, want 10", ok.Load())
	}
}

func TestPrefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7/32",
		"::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8:1:2::9":  "2001:db8:1:2::/64",
		"fe80::1%eth0":     "fe80::/64",
	} {
		if got := ratelimit.Prefix(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", in, got, want)
		}
	}
	if got := ratelimit.Prefix(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address counts as %s", got)
	}
}

func TestLimiter(t *testing.T) {
	l := ratelimit.New[string](2, 3, 4)
	now := time.Unix(1000, 0)
	for i := range 5 {
		if ok := l.Allow("a", now); ok != (i < 3) {
			t.Fatalf("event %d of a burst of 3: %v", i, ok)
		}
	}
	if !l.Allow("b", now) {
		t.Error("another key is refused")
	}
	now = now.Add(500 * time.Millisecond)
	if !l.Allow("a", now) || l.Allow("a", now) {
		t.Error("not one token after half a second")
	}
	if l.Allow("a", now.Add(-time.Hour)) {
		t.Error("a clock that went back refills")
	}
	for i := range 100 {
		l.Allow(string(rune('c'+i)), now)
	}
	if l.Len() > 4 {
		t.Errorf("%d keys are remembered", l.Len())
	}
}

func TestSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ratelimit.NewWindow[string](1, time.Minute)
		w.Take("a")
		time.Sleep(10 * time.Second)
		w.SetLimit(3)
		for range 2 {
			if wait := w.Take("a"); wait != 0 {
				t.Fatalf("under the new limit: %v", wait)
			}
			time.Sleep(10 * time.Second)
		}
		w.SetLimit(2)
		if wait := w.Take("a"); wait != 40*time.Second {
			t.Fatalf("over the lowered limit: %v, want 40s", wait)
		}
	})
}
