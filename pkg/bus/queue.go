package bus

import "sync"

// A Queue is what waits for a subscriber, and the goroutine that hands it over.
// It is for those who write a Bus.
type Queue struct {
	wake, stop, done chan struct{}
	once             sync.Once

	mu      sync.Mutex
	waiting [][]byte // guarded by mu
	bytes   int      // guarded by mu
}

// NewQueue starts a queue, whose owner stops it.
func NewQueue(fn func(batch [][]byte)) *Queue {
	q := &Queue{wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go q.run(fn)
	return q
}

// Put adds a message. It does not block; false means that there was no place.
func (q *Queue) Put(data []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaiting || q.bytes+len(data) > maxWaitingBytes {
		return false
	}
	q.waiting = append(q.waiting, data)
	q.bytes += len(data)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// Stop ends the queue when fn has returned. What waits is dropped.
func (q *Queue) Stop() {
	q.once.Do(func() { close(q.stop) })
	<-q.done
}

func (q *Queue) run(fn func([][]byte)) {
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
		select {
		case <-q.stop: // where both were ready
			return
		default:
		}
		if len(batch) > 0 {
			fn(batch)
		}
	}
}
