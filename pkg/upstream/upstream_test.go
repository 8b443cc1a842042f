package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

var errNo = errors.New("refused")

func target(name string, weight int) upstream.Target {
	return upstream.Target{Address: upstream.Address{Scheme: "tcp", Network: "tcp", Addr: name}, Weight: weight}
}

// options are for upstreams of weight 1.
func options(names ...string) upstream.Options {
	opt := upstream.Options{
		Balance: upstream.RoundRobin,
		Passive: upstream.Passive{Fails: 2, Within: time.Minute, Down: time.Second},
	}
	for _, n := range names {
		opt.Targets = append(opt.Targets, target(n, 1))
	}
	return opt
}

// history is what a pool reported.
type history struct {
	mu    sync.Mutex
	lines []string
}

func (h *history) add(c upstream.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%s %v %d", c.Upstream.Addr, c.Up, c.Left))
}

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, ", ")
}

func pool(t *testing.T, opt upstream.Options) (*upstream.Pool, *history) {
	t.Helper()
	h := &history{}
	p := upstream.New(opt, h.add)
	t.Cleanup(p.Close)
	return p, h
}

func lease(t *testing.T, p *upstream.Pool, w upstream.Want) *upstream.Lease {
	t.Helper()
	l, err := p.Acquire(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// use leases once, reports err, and says whom it was.
func use(t *testing.T, p *upstream.Pool, w upstream.Want, err error) string {
	t.Helper()
	l, no := p.Acquire(t.Context(), w)
	if no != nil {
		return no.Error()
	}
	defer l.Release()
	if err != nil {
		l.Fail(err)
	} else {
		l.OK()
	}
	return l.Upstream.Addr
}

func TestRoundRobinIsSmooth(t *testing.T) {
	opt := options()
	opt.Targets = []upstream.Target{target("a", 5), target("b", 1), target("c", 1)}
	p, _ := pool(t, opt)
	got := ""
	for range 14 {
		got += use(t, p, upstream.Want{}, nil)
	}
	if want := "aabacaaaabacaa"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}

func TestLeastConnections(t *testing.T) {
	opt := options()
	opt.Balance = upstream.LeastConnections
	opt.Targets = []upstream.Target{target("a", 1), target("b", 3)}
	p, _ := pool(t, opt)
	var leases []*upstream.Lease
	count := map[string]int{}
	for range 8 {
		l := lease(t, p, upstream.Want{})
		leases = append(leases, l)
		count[l.Upstream.Addr]++
	}
	if count["a"] != 2 || count["b"] != 6 {
		t.Errorf("%v", count)
	}
	for _, l := range leases {
		if l.Upstream.Addr == "a" {
			l.Release()
			l.Release() // no harm
		}
	}
	for range 2 {
		if l := lease(t, p, upstream.Want{}); l.Upstream.Addr != "a" {
			t.Errorf("%s has more", l.Upstream.Addr)
		}
	}
}

// Keys stay where they are when an upstream goes, except its own.
func TestHashMovesLittle(t *testing.T) {
	opt := options()
	opt.Balance = upstream.Hash
	opt.Targets = []upstream.Target{target("a", 1), target("b", 1), target("c", 2)}
	p, _ := pool(t, opt)
	const keys = 4000
	before, count := map[string]string{}, map[string]int{}
	for i := range keys {
		k := fmt.Sprint("key", i)
		before[k] = use(t, p, upstream.Want{Key: k}, nil)
		count[before[k]]++
	}
	for name, share := range map[string]float64{"a": .25, "b": .25, "c": .5} {
		if got := float64(count[name]) / keys; math.Abs(got-share) > .03 {
			t.Errorf("%s got %.3f instead of %.2f", name, got, share)
		}
	}
	opt.Targets = opt.Targets[:2]
	p.Update(opt)
	for k, was := range before {
		if now := use(t, p, upstream.Want{Key: k}, nil); was != "c" && now != was {
			t.Fatalf("%s moved from %s to %s", k, was, now)
		}
	}
}

func TestPrefer(t *testing.T) {
	p, _ := pool(t, options("a", "b", "c"))
	id := ""
	for id == "" {
		if l := lease(t, p, upstream.Want{}); l.Upstream.Addr == "b" {
			id = l.Upstream.ID
		}
	}
	for range 5 {
		if got := use(t, p, upstream.Want{Prefer: id}, nil); got != "b" {
			t.Errorf("%s", got)
		}
	}
	if strings.Contains(id, "b:") || len(id) != 16 {
		t.Errorf("id %q", id)
	}
	opt := options("a", "c")
	p.Update(opt)
	if got := use(t, p, upstream.Want{Prefer: id}, nil); got == "b" {
		t.Error("a removed upstream is preferred")
	}
}

func TestTriedOnce(t *testing.T) {
	p, _ := pool(t, options("a", "b"))
	w := upstream.Want{}
	seen := ""
	for range 2 {
		l := lease(t, p, w)
		seen += l.Upstream.Addr
		w.Not = append(w.Not, l.Upstream)
		l.Release()
	}
	if _, err := p.Acquire(t.Context(), w); !errors.Is(err, upstream.ErrTried) || seen != "ab" && seen != "ba" {
		t.Errorf("%s, then %v", seen, err)
	}
}

// The circuit breaker: closed, open, one trial, open or closed.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h := pool(t, options("a", "b"))
		for range 4 {
			l := lease(t, p, upstream.Want{})
			if l.Upstream.Addr == "a" {
				l.Fail(errNo)
			}
			l.Release()
		}
		if got := h.String(); got != "a false 1" {
			t.Fatalf("reported %q", got)
		}
		for range 4 {
			if got := use(t, p, upstream.Want{}, nil); got != "b" {
				t.Fatalf("%s is used while it is down", got)
			}
		}
		time.Sleep(time.Second)
		trials := 0
		var trial *upstream.Lease
		for range 4 {
			if l := lease(t, p, upstream.Want{}); l.Upstream.Addr == "a" {
				trials++
				trial = l
			}
		}
		if trials != 1 {
			t.Fatalf("%d trials at a time", trials)
		}
		trial.Fail(errNo)
		trial.Release()
		if got := use(t, p, upstream.Want{}, nil) + use(t, p, upstream.Want{}, nil); got != "bb" {
			t.Errorf("%s after a trial failed", got)
		}
		time.Sleep(time.Second)
		for range 3 { // a trial that ends without a verdict makes room for another
			if l := lease(t, p, upstream.Want{}); l.Upstream.Addr == "a" {
				l.Release()
			}
		}
		use(t, p, upstream.Want{}, nil)
		use(t, p, upstream.Want{}, nil)
		if got := h.String(); got != "a false 1, a true 2" {
			t.Errorf("reported %q", got)
		}
	})
}

func TestFailuresMustBeInARowAndSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := options("a", "b")
		p, h := pool(t, opt)
		fail := func(a error) {
			for range 2 {
				l := lease(t, p, upstream.Want{})
				if l.Upstream.Addr == "a" && a != nil {
					l.Fail(a)
				} else {
					l.OK()
				}
				l.Release()
			}
		}
		fail(errNo)
		fail(nil)
		fail(errNo)
		time.Sleep(opt.Passive.Within + 1)
		fail(errNo)
		if got := h.String(); got != "" {
			t.Errorf("reported %q", got)
		}
		fail(errNo)
		if got := h.String(); got != "a false 1" {
			t.Errorf("reported %q", got)
		}
	})
}

func TestNoFailsMeansNever(t *testing.T) {
	opt := options("a", "b")
	opt.Passive = upstream.Passive{}
	p, h := pool(t, opt)
	for range 100 {
		use(t, p, upstream.Want{}, errNo)
	}
	if got := h.String(); got != "" {
		t.Errorf("reported %q", got)
	}
}

func TestAllDownAndOnlyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h := pool(t, options("a", "b"))
		for range 4 {
			use(t, p, upstream.Want{}, errNo)
		}
		if got := use(t, p, upstream.Want{}, nil); got != upstream.ErrDown.Error() || p.Ready() == nil {
			t.Errorf("%s", got)
		}
		time.Sleep(time.Minute)
		if err := p.Ready(); !errors.Is(err, upstream.ErrDown) {
			t.Errorf("a trial is due, and nothing succeeded yet: %v", err)
		}
		p.Update(options("a")) // a single one is always tried
		if got := use(t, p, upstream.Want{}, errNo); got != "a" {
			t.Errorf("%s", got)
		}
		if err := p.Ready(); !errors.Is(err, upstream.ErrDown) {
			t.Errorf("the only one fails: %v", err)
		}
		if got := use(t, p, upstream.Want{}, nil); got != "a" {
			t.Errorf("%s", got)
		}
		if err := p.Ready(); err != nil {
			t.Errorf("it works again: %v", err)
		}
		if got := h.String(); !strings.HasSuffix(got, " false 0, a true 1") {
			t.Errorf("reported %q", got)
		}
	})
}

func TestActiveChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		var asked atomic.Int64
		opt := options("a", "b")
		opt.Active = &upstream.Active{
			Interval: time.Second, Timeout: 100 * time.Millisecond, Rise: 2, Fall: 3,
			Check: func(ctx context.Context, a upstream.Address) error {
				if a.Addr == "b" {
					return nil
				}
				asked.Add(1)
				if bad.Load() {
					<-ctx.Done() // slow is as bad as wrong
					return ctx.Err()
				}
				return nil
			},
		}
		p, h := pool(t, opt)
		time.Sleep(10 * time.Second)
		if n := asked.Load(); n < 9 || n > 12 {
			t.Errorf("asked %d times in 10 s", n)
		}
		bad.Store(true)
		time.Sleep(1900 * time.Millisecond)
		if got := h.String(); got != "" {
			t.Errorf("%q before it failed three times", got)
		}
		time.Sleep(3 * time.Second)
		if got := h.String(); got != "a false 1" {
			t.Errorf("reported %q", got)
		}
		if got := use(t, p, upstream.Want{}, nil) + use(t, p, upstream.Want{}, nil); got != "bb" {
			t.Errorf("%s", got)
		}
		p.Update(opt) // knowledge stays
		if s := p.Stats(); s.Up != 1 || s.All != 2 {
			t.Errorf("%+v", s)
		}
		bad.Store(false)
		time.Sleep(4 * time.Second)
		if got := h.String(); got != "a false 1, a true 2" {
			t.Errorf("reported %q", got)
		}
		bad.Store(true)
		time.Sleep(6 * time.Second)
		opt.Active = nil // without checks nobody would find out that it is back
		p.Update(opt)
		if s := p.Stats(); s.Up != 2 {
			t.Errorf("%+v", s)
		}
		was := asked.Load()
		time.Sleep(5 * time.Second)
		if n := asked.Load(); n != was {
			t.Errorf("%d checks after they were taken out", n-was)
		}
	})
}

// What its use has shown is history when the time of it is over and enough checks in
// a row were good: else a server that nobody is sent to would be down for ever.
func TestChecksEndWhatUseHasShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := options("a")
		opt.Passive.Down = 10 * time.Second
		opt.Active = &upstream.Active{
			Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
			Check: func(context.Context, upstream.Address) error { return nil },
		}
		p, h := pool(t, opt)
		time.Sleep(5 * time.Second)
		for range 3 {
			use(t, p, upstream.Want{}, errNo)
		}
		time.Sleep(8 * time.Second)
		if err := p.Ready(); !errors.Is(err, upstream.ErrDown) {
			t.Errorf("%v while what was shown still holds", err)
		}
		time.Sleep(4 * time.Second)
		if got := h.String(); p.Ready() != nil || got != "a false 0, a true 1" {
			t.Errorf("reported %q", got)
		}
		if got := use(t, p, upstream.Want{}, nil); got != "a" {
			t.Errorf("%s", got)
		}
	})
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := options("a", "b")
		opt.MaxLeases, opt.Queue, opt.QueueTime = 1, 2, time.Second
		p, _ := pool(t, opt)
		one, two := lease(t, p, upstream.Want{}), lease(t, p, upstream.Want{})
		got := make(chan string, 3)
		wait := func(name string) {
			go func() {
				l, err := p.Acquire(t.Context(), upstream.Want{})
				if err != nil {
					got <- name + " " + err.Error()
					return
				}
				got <- name + " " + l.Upstream.Addr
				time.Sleep(100 * time.Millisecond)
				l.Release()
			}()
			synctest.Wait()
		}
		wait("first")
		wait("second")
		wait("third") // there is no room in the queue
		if s := <-got; s != "third "+upstream.ErrBusy.Error() {
			t.Errorf("%s", s)
		}
		if s := p.Stats(); s.Waiting != 2 || s.Leases != 2 {
			t.Errorf("%+v", s)
		}
		two.Release()
		if s := <-got; s != "first "+two.Upstream.Addr {
			t.Errorf("%s", s)
		}
		if s := <-got; s != "second "+two.Upstream.Addr {
			t.Errorf("%s", s)
		}
		other := lease(t, p, upstream.Want{}) // from second, or free
		begin := time.Now()
		if _, err := p.Acquire(t.Context(), upstream.Want{}); !errors.Is(err, upstream.ErrBusy) || time.Since(begin) != opt.QueueTime {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := p.Acquire(ctx, upstream.Want{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if s := p.Stats(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		wait("update") // more room serves who waits
		opt.MaxLeases = 2
		p.Update(opt)
		if s := <-got; !strings.HasPrefix(s, "update ") || strings.Contains(s, "busy") {
			t.Errorf("%s", s)
		}
		one.Release()
		other.Release()
		time.Sleep(time.Second) // the last waiter releases its own
	})
}

// Who waits for upstreams that all go down is told at once.
func TestQueueEndsWhenAllGoDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := options("a", "b")
		opt.Passive.Fails, opt.MaxLeases, opt.Queue, opt.QueueTime = 1, 1, 5, time.Hour
		p, _ := pool(t, opt)
		one, two := lease(t, p, upstream.Want{}), lease(t, p, upstream.Want{})
		got := make(chan error, 1)
		go func() {
			_, err := p.Acquire(t.Context(), upstream.Want{})
			got <- err
		}()
		synctest.Wait()
		one.Fail(errNo)
		two.Fail(errNo)
		if err := <-got; !errors.Is(err, upstream.ErrDown) {
			t.Errorf("%v", err)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	opt := options("a", "b", "c")
	opt.MaxLeases, opt.Queue, opt.QueueTime = 2, 100, 10*time.Second
	opt.Passive.Fails = 0
	p, _ := pool(t, opt)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for n := range 50 {
				l, err := p.Acquire(t.Context(), upstream.Want{})
				if err != nil {
					t.Error(err)
					return
				}
				if n%3 == 0 {
					l.Fail(errNo)
				} else {
					l.OK()
				}
				if i == 0 && n%10 == 0 {
					p.Update(opt)
				}
				l.Release()
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Leases != 0 || s.Waiting != 0 || s.Up != 3 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkAcquire(b *testing.B) {
	for _, balance := range []upstream.Balance{upstream.RoundRobin, upstream.LeastConnections, upstream.Hash} {
		b.Run(string(balance), func(b *testing.B) {
			opt := options("a", "b", "c", "d")
			opt.Balance = balance
			p := upstream.New(opt, func(upstream.Change) {})
			defer p.Close()
			b.ReportAllocs()
			for b.Loop() {
				l, _ := p.Acquire(b.Context(), upstream.Want{Key: "192.0.2.1"})
				l.OK()
				l.Release()
			}
		})
	}
}
