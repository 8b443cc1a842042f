package chat

import (
	"sync"
	"time"
)

const (
	wheelTick  = 250 * time.Millisecond
	wheelSlots = 256 // one turn is 64 s; longer waits go round again
)

// A ticker is something with a deadline now and then. tick says how long to
// wait until the next one; 0 takes it off the wheel. It must not block.
type ticker interface {
	tick(now time.Time) time.Duration
}

// A wheel calls many tickers from one goroutine, which sleeps while there are
// none. Deadlines are late by at most two ticks.
type wheel struct {
	stop chan struct{}
	done chan struct{}
	made time.Time

	mu    sync.Mutex
	slots [wheelSlots][]ticker
	now   int // slot that is due next
	count int
	timer *time.Ticker
}

func newWheel() *wheel {
	w := &wheel{stop: make(chan struct{}), done: make(chan struct{}), made: time.Now(), timer: time.NewTicker(wheelTick)}
	w.timer.Stop()
	go w.run()
	return w
}

// moment is t in nanoseconds by the monotonic clock, which nobody sets, for what
// keeps many of them in little memory. It is never 0.
func (w *wheel) moment(t time.Time) int64 { return int64(t.Sub(w.made)) + 1 }

// add calls t after at least d.
func (w *wheel) add(t ticker, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == 0 {
		w.timer.Reset(wheelTick)
	}
	w.put(t, d)
}

// put needs mu.
func (w *wheel) put(t ticker, d time.Duration) {
	n := min(int((d+wheelTick-1)/wheelTick), wheelSlots-1)
	slot := (w.now + max(n, 1)) % wheelSlots
	w.slots[slot] = append(w.slots[slot], t)
	w.count++
}

func (w *wheel) run() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case now := <-w.timer.C:
			w.turn(now)
		}
	}
}

// turn calls the tickers of one slot, without mu, so that they may add others.
func (w *wheel) turn(now time.Time) {
	w.mu.Lock()
	due := w.slots[w.now]
	w.slots[w.now] = nil
	w.now = (w.now + 1) % wheelSlots
	w.mu.Unlock()

	for _, t := range due {
		next := t.tick(now)
		w.mu.Lock()
		w.count--
		if next > 0 {
			w.put(t, next)
		}
		if w.count == 0 {
			w.timer.Stop()
		}
		w.mu.Unlock()
	}
}

// close stops the goroutine and waits for it.
func (w *wheel) close() {
	close(w.stop)
	<-w.done
	w.timer.Stop()
}
