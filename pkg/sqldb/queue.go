package sqldb

import (
	"sync"
	"sync/atomic"
)

// request is one call of Write. state decides who owns it: the caller may
// abandon it until the writer starts with it.
type request struct {
	fn    func(tx *Tx) error
	state atomic.Int32
	done  chan struct{} // closed when err is final
	err   error         // written by the writer before done

	// Of who was kept.
	before func(tx *Tx) error
	after  []func()
}

const (
	waiting int32 = iota
	started
	abandoned
)

// queue is what waits for the writer. Its length is bounded by slots.
type queue struct {
	slots chan struct{} // one for each request that is queued or being written
	wake  chan struct{}
	batch int // requests in one commit

	unanswered atomic.Int64 // requests that were put

	mu      sync.Mutex
	pending []*request // guarded by mu
	closed  bool       // guarded by mu
}

func newQueue(length, batch int) *queue {
	return &queue{slots: make(chan struct{}, length), wake: make(chan struct{}, 1), batch: batch}
}

func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.pending = append(q.pending, r)
	q.unanswered.Add(1)
	q.signal()
	return nil
}

// signal wakes the writer. The channel holds one, so that no wake-up is lost.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for requests and takes as many as a commit may have. It returns
// none only when the queue is closed and empty.
func (q *queue) next() []*request {
	for {
		q.mu.Lock()
		batch := q.take(q.batch)
		closed := q.closed
		q.mu.Unlock()
		if len(batch) > 0 || closed {
			return batch
		}
		<-q.wake
	}
}

// take takes at most n, but those that nobody waits for any more: a server that is
// away may have let many pile up. It needs mu.
func (q *queue) take(n int) (batch []*request) {
	for len(q.pending) > 0 && len(batch) < n {
		r := q.pending[0]
		q.pending = q.pending[1:]
		if r.state.Load() != abandoned {
			batch = append(batch, r)
			continue
		}
		q.unanswered.Add(-1)
		<-q.slots
	}
	if len(q.pending) == 0 {
		q.pending = nil // lets the array go
	}
	return batch
}

// more takes at most n of those that wait now.
func (q *queue) more(n int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(n)
}

// unget puts requests back to the front.
func (q *queue) unget(rs []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(rs, q.pending...)
	q.signal()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}
