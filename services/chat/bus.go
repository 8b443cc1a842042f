package chat

import (
	"sync"

	"github.com/porticod/portico/services/chat/store"
)

// A Notice is word of something that happened.
type Notice struct {
	// Events are all that was committed after position Prev up to Cursor. Both
	// are 0 for what is not stored.
	Prev, Cursor int64
	Events       []store.Event

	// Bare says that the events are not here, but in the store.
	Bare bool

	// Signal is typing or presence: an event without a position, for Audience.
	Signal   []byte
	Audience []int64
	// Here says that it is for this node only: the others know it otherwise.
	Here bool
}

func (n *Notice) size() int {
	size := 256 + len(n.Signal) + 8*len(n.Audience)
	for i := range n.Events {
		size += 256 + len(n.Events[i].Text)
	}
	return size
}

// A Bus carries notices from the part that writes to the parts that have
// connections. It may lose any of them: who gets a notice whose Prev is beyond
// what it knows reads the store, and so does who has heard nothing for a while
// though the store has moved on. What it does carry is in order.
type Bus interface {
	// Publish must not block. The notice is not changed afterwards.
	Publish(n Notice)
	// Subscribe has fn called with the notices that came since it was called last,
	// until stop returns.
	Subscribe(fn func([]Notice)) (stop func())
}

// Bounds of what waits in a local bus. What comes beyond them is lost.
const (
	maxBusNotices = 8192
	maxBusBytes   = 16 << 20
)

// localBus is the bus within one process: a queue and one goroutine for each
// subscriber, so that handing out a message to a large group does not hold up
// the writer of the next one.
type localBus struct {
	mu   sync.Mutex
	subs map[*busQueue]struct{} // guarded by mu
}

func newLocalBus() *localBus { return &localBus{subs: map[*busQueue]struct{}{}} }

// Publish implements Bus.
func (b *localBus) Publish(n Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for q := range b.subs {
		q.put(n)
	}
}

// Subscribe implements Bus.
func (b *localBus) Subscribe(fn func([]Notice)) (stop func()) {
	q := newBusQueue()
	b.mu.Lock()
	b.subs[q] = struct{}{}
	b.mu.Unlock()
	go q.run(fn)
	return sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.subs, q)
		b.mu.Unlock()
		q.end()
	})
}

type busQueue struct {
	wake, stop, done chan struct{}

	mu      sync.Mutex
	waiting []Notice // guarded by mu
	bytes   int      // guarded by mu
}

func newBusQueue() *busQueue {
	return &busQueue{wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// end stops run, and waits for it. It is called once.
func (q *busQueue) end() {
	close(q.stop)
	<-q.done
}

func (q *busQueue) put(n Notice) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := n.size()
	if len(q.waiting) >= maxBusNotices || q.bytes+size > maxBusBytes {
		return
	}
	q.waiting = append(q.waiting, n)
	q.bytes += size
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *busQueue) run(fn func([]Notice)) {
	defer close(q.done)
	for {
		select {
		case <-q.stop:
			return
		case <-q.wake:
		}
		q.mu.Lock()
		batch := q.waiting
		q.waiting, q.bytes = nil, 0
		q.mu.Unlock()
		if len(batch) > 0 {
			fn(batch)
		}
	}
}
