// Package bustest is the contract of a bus.Bus as a test suite that every
// implementation runs, and a bus that can be made to fail. It does not look
// behind the interface.
package bustest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/bus"
)

// Run tests buses; each call of open returns two nodes on a new one.
func Run(t *testing.T, open func(t *testing.T) (a, b bus.Bus)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b bus.Bus)
	}{
		{"both ways", bothWays},
		{"order", order},
		{"topics are apart", topicsApart},
		{"nobody listens", nobodyListens},
		{"who stopped hears nothing", stopped},
		{"stop waits", stopWaits},
		{"too large", tooLarge},
		{"slow subscriber", slow},
		{"topics without a valid name", badTopics},
		{"many at once", manyAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			if !a.Others() || !b.Others() {
				t.Error("two nodes, and one thinks that it is alone")
			}
			wait.Until(t, "both nodes are healthy", func() bool { return a.Healthy() && b.Healthy() })
			c.test(t, a, b)
		})
	}
}

// An Ear collects what is heard on a topic.
type Ear struct {
	stop func()

	mu    sync.Mutex
	heard []string // guarded by mu
}

// Listen subscribes to a topic of b, and waits until it hears what from publishes.
func Listen(t *testing.T, b, from bus.Bus, topic string) *Ear {
	t.Helper()
	e := &Ear{}
	e.stop = b.Subscribe(topic, func(batch [][]byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, m := range batch {
			if string(m) != hello || len(e.heard) == 0 {
				e.heard = append(e.heard, string(m))
			}
		}
	})
	t.Cleanup(e.stop)
	wait.Until(t, "a subscription is heard of", func() bool {
		from.Publish(topic, []byte(hello))
		return len(e.all()) > 0
	})
	return e
}

const hello = "is anybody there?"

// all is what was heard, with one hello at the beginning.
func (e *Ear) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// Heard is what came since Listen.
func (e *Ear) Heard() []string { return e.all()[1:] }

// Wait waits until just this was heard.
func (e *Ear) Wait(t *testing.T, want ...string) {
	t.Helper()
	wait.Right(t, func() string {
		if got := e.Heard(); !slices.Equal(got, want) {
			return fmt.Sprintf("heard %q, not %q", got, want)
		}
		return ""
	})
}

func bothWays(t *testing.T, a, b bus.Bus) {
	atB, atA := Listen(t, b, a, "chat.lobby"), Listen(t, a, b, "chat.lobby")
	a.Publish("chat.lobby", []byte("from a"))
	b.Publish("chat.lobby", []byte("from b"))
	atB.Wait(t, "from a")
	atA.Wait(t, "from b") // and not what a itself said
}

func order(t *testing.T, a, b bus.Bus) {
	e := Listen(t, b, a, "order")
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint(i))
		a.Publish("order", []byte(want[i]))
	}
	e.Wait(t, want...)
}

func topicsApart(t *testing.T, a, b bus.Bus) {
	one, two := Listen(t, b, a, "x.one"), Listen(t, b, a, "x.two")
	a.Publish("x.one", []byte("1"))
	a.Publish("x", []byte("none"))
	a.Publish("x.one.more", []byte("none"))
	a.Publish("x.two", []byte("2"))
	one.Wait(t, "1")
	two.Wait(t, "2")
}

func nobodyListens(t *testing.T, a, b bus.Bus) {
	for range 100 {
		a.Publish("nobody", []byte("lost"))
	}
	e := Listen(t, b, a, "somebody")
	a.Publish("somebody", []byte("found"))
	e.Wait(t, "found")
}

func stopped(t *testing.T, a, b bus.Bus) {
	one, two := Listen(t, b, a, "stop"), Listen(t, b, a, "stop")
	one.stop()
	one.stop() // twice does no harm
	before := len(one.all())
	a.Publish("stop", []byte("again"))
	two.Wait(t, "again")
	if after := len(one.all()); after != before {
		t.Errorf("%d messages after stop", after-before)
	}
}

// When stop has returned the subscriber is not called, and not being called.
func stopWaits(t *testing.T, a, b bus.Bus) {
	var mu sync.Mutex
	running, over := false, false
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stop := b.Subscribe("wait", func([][]byte) {
		mu.Lock()
		if over {
			t.Error("called after stop")
		}
		running = true
		mu.Unlock()
		once.Do(func() { close(entered) })
		<-leave
		mu.Lock()
		running = false
		mu.Unlock()
	})
	wait.Until(t, "the subscriber is called", func() bool {
		a.Publish("wait", []byte("x"))
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if running {
			t.Error("stop returned while the subscriber ran")
		}
	}()
	close(leave)
	<-done
}

func tooLarge(t *testing.T, a, b bus.Bus) {
	e := Listen(t, b, a, "large")
	largest := bytes.Repeat([]byte("x"), bus.MaxMessage)
	before := a.Stats().TooLarge
	a.Publish("large", append(slices.Clone(largest), 'y'))
	a.Publish("large", largest)
	e.Wait(t, string(largest))
	if n := a.Stats().TooLarge - before; n != 1 {
		t.Errorf("%d messages counted as too large, not 1", n)
	}
}

// Who does not come back from being called loses the newest, and holds up nobody.
func slow(t *testing.T, a, b bus.Bus) {
	leave, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stop := b.Subscribe("slow", func([][]byte) {
		once.Do(func() { close(entered) })
		<-leave
	})
	defer stop()
	defer close(leave)
	quick := Listen(t, b, a, "slow")
	<-entered
	const size, rounds = 100 << 10, 200
	for i := range rounds {
		a.Publish("slow", bytes.Repeat([]byte("x"), size))
		if i%50 == 49 { // so that nobody else is too slow
			wait.Until(t, "the quick one has heard all", func() bool { return len(quick.Heard()) == i+1 })
		}
	}
	wait.Until(t, "it is counted", func() bool { return b.Stats().Unheard > 0 })
	if n := b.Stats().Unheard; n >= rounds {
		t.Errorf("%d of %d messages dropped: nothing waits", n, rounds)
	}
}

func badTopics(t *testing.T, a, b bus.Bus) {
	for _, topic := range []string{"", ".", "a.", ".a", "a..b", "*", ">", "a.>", "a b", "A", "ü"} {
		b.Subscribe(topic, func([][]byte) { t.Errorf("heard something on %q", topic) })()
		stop := b.Subscribe(topic, func([][]byte) { t.Errorf("heard something on %q", topic) })
		defer stop()
		a.Publish(topic, []byte("x"))
	}
	e := Listen(t, b, a, "a.b-c_1")
	a.Publish("a.b-c_1", []byte("x"))
	e.Wait(t, "x")
}

func manyAtOnce(t *testing.T, a, b bus.Bus) {
	e := Listen(t, b, a, "many")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				a.Publish("many", []byte("x"))
				b.Subscribe("other", func([][]byte) {})()
			}
		})
	}
	wg.Wait()
	wait.Until(t, "800 messages are there", func() bool { return len(e.Heard()) == 800 })
}
