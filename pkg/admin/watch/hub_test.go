package watch_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
)

// counting returns a look that counts itself and takes as long as told.
func counting(takes *atomic.Int64, long time.Duration) func() *watch.Sample {
	r := newRig()
	return func() *watch.Sample {
		takes.Add(1)
		time.Sleep(long)
		return watch.Take(r, func() daemon.Status { return r.status })
	}
}

func join(t *testing.T, h *watch.Hub) *watch.Viewer {
	t.Helper()
	v, err := h.Join()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Nobody looks while nobody wants to see it, and one look is for all.
func TestLooksWhileSomebodyViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var takes atomic.Int64
		h := watch.NewHub(counting(&takes, 0), time.Second, 3)
		defer h.Close(time.Second)
		time.Sleep(time.Minute)
		if n := takes.Load(); n != 0 {
			t.Errorf("%d looks without a viewer", n)
		}
		a, b := join(t, h), join(t, h)
		for range 10 {
			sa, sb := <-a.Samples(), <-b.Samples()
			if sa != sb {
				t.Error("two viewers see two things")
			}
		}
		if n := takes.Load(); n != 10 {
			t.Errorf("%d looks for ten views", n)
		}
		b.Leave()
		b.Leave() // once more does no harm
		<-a.Samples()
		a.Leave()
		synctest.Wait()
		n := takes.Load()
		time.Sleep(time.Minute)
		if takes.Load() != n {
			t.Error("it looks on when all have left")
		}
		c := join(t, h)
		<-c.Samples()
		c.Leave()
	})
}

// Somebody who does not take what comes holds nobody up, and gets the newest.
func TestSlowViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var takes atomic.Int64
		h := watch.NewHub(counting(&takes, 0), time.Second, 3)
		defer h.Close(time.Second)
		slow, quick := join(t, h), join(t, h)
		var last *watch.Sample
		for range 5 {
			last = <-quick.Samples()
		}
		synctest.Wait()
		if got := <-slow.Samples(); got != last {
			t.Error("the slow one gets an old view")
		}
		late := join(t, h)
		if got := <-late.Samples(); got != last {
			t.Error("who comes late waits for the next look")
		}
	})
}

// A look that is dear is taken more seldom, but it is taken.
func TestDearLooks(t *testing.T) {
	for long, want := range map[time.Duration]int64{
		200 * time.Millisecond: 200, // in each second
		time.Second:            40,  // and four seconds of rest
		10 * time.Second:       10,  // and ten of rest
	} {
		synctest.Test(t, func(t *testing.T) {
			var takes atomic.Int64
			h := watch.NewHub(counting(&takes, long), time.Second, 3)
			defer h.Close(time.Minute)
			v := join(t, h)
			defer v.Leave()
			time.Sleep(200*time.Second - time.Millisecond)
			if n := takes.Load(); n != want {
				t.Errorf("%d looks of %v each in 200 s, want %d", n, long, want)
			}
		})
	}
}

func TestHubIsBounded(t *testing.T) {
	var takes atomic.Int64
	h := watch.NewHub(counting(&takes, 0), time.Second, 2)
	a := join(t, h)
	join(t, h)
	if _, err := h.Join(); !errors.Is(err, watch.ErrFull) {
		t.Errorf("a third of two: %v", err)
	}
	a.Leave()
	b := join(t, h)
	h.Close(time.Second)
	h.Close(time.Second)
	select {
	case <-b.Gone():
	case <-time.After(time.Minute):
		t.Error("the viewer is not told of the end")
	}
	b.Leave()
	if _, err := h.Join(); !errors.Is(err, watch.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// A look that hangs does not hold up the end for longer than patience.
func TestCloseWhileLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		h := watch.NewHub(func() *watch.Sample { <-hang; return nil }, time.Second, 2)
		v := join(t, h)
		defer v.Leave()
		synctest.Wait()
		start := time.Now()
		h.Close(2 * time.Second)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		close(hang)
		h.Close(2 * time.Second)
	})
}

// Joining, leaving and closing at the same time.
func TestHubRace(t *testing.T) {
	var takes atomic.Int64
	h := watch.NewHub(counting(&takes, 0), time.Millisecond, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				v, err := h.Join()
				if err != nil {
					return
				}
				select {
				case <-v.Samples():
				case <-v.Gone():
				}
				v.Leave()
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	h.Close(5 * time.Second)
	wg.Wait()
}

// Whoever comes and goes all the time gets no look more than who stays.
func TestComingAndGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var takes, at, most atomic.Int64
		h := watch.NewHub(func() *watch.Sample {
			takes.Add(1)
			most.Store(max(most.Load(), at.Add(1)))
			time.Sleep(time.Second)
			at.Add(-1)
			return nil
		}, time.Second, 3)
		defer h.Close(time.Minute)
		for range 1000 {
			join(t, h).Leave()
			time.Sleep(10 * time.Millisecond)
		}
		if n := takes.Load(); n > 3 || most.Load() > 1 {
			t.Errorf("%d looks in 10 s, %d at the same time", n, most.Load())
		}
	})
}
