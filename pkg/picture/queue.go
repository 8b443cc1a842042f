package picture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Priority says who goes first. Who waits is moved up as time passes, so that
// nobody waits forever.
type Priority uint8

const (
	Interactive Priority = iota // somebody waits for the picture
	Ladder                      // somebody waits for the first sizes
	Background                  // nobody waits; never all workers at a time, where there are several
)

// aging is how long one waits to be moved up by one priority.
const aging = 2 * time.Second

// errFull: there is no room to wait.
var errFull = errors.New("the queue is full")

// A queue gives out memory and workers.
type queue struct {
	room int // how many may wait

	mu         sync.Mutex
	memory     int64 // bytes that are free
	workers    int   // that are free
	background int   // more workers that Background may have
	waiting    []*turn
}

// A turn is somebody who waits or works.
type turn struct {
	need  int64
	rank  Priority
	since time.Time
	ready chan error // gets nil, or errFull when somebody else got the place
}

func newQueue(memory int64, workers, room int) *queue {
	return &queue{room: room, memory: memory, workers: workers, background: max(1, workers-1)}
}

// enter waits until ctx ends for need bytes and a worker.
func (q *queue) enter(ctx context.Context, need int64, rank Priority) (*turn, error) {
	t := &turn{need: need, rank: rank, since: time.Now(), ready: make(chan error, 1)}
	q.mu.Lock()
	q.waiting = append(q.waiting, t)
	q.serve()
	if len(q.waiting) > q.room {
		q.drop()
	}
	q.mu.Unlock()
	select {
	case err := <-t.ready:
		if err != nil {
			return nil, err
		}
		return t, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, t); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.serve() // who waited behind may fit
		return nil, ctx.Err()
	}
	if err := <-t.ready; err != nil { // at the same moment
		return nil, err
	}
	return t, nil
}

// drop sends away who came last of those who matter least. Held: mu.
func (q *queue) drop() {
	last := len(q.waiting) - 1
	for i := last; i >= 0; i-- {
		if q.waiting[i].rank > q.waiting[last].rank {
			last = i
		}
	}
	q.waiting[last].ready <- errFull
	q.waiting = slices.Delete(q.waiting, last, last+1)
}

// serve lets in who may. Nobody overtakes one that is first and does not fit yet:
// a large picture is not starved by small ones. Held: mu.
func (q *queue) serve() {
	for q.workers > 0 {
		next := q.first(time.Now())
		if next < 0 || q.waiting[next].need > q.memory {
			return
		}
		t := q.waiting[next]
		q.waiting = slices.Delete(q.waiting, next, next+1)
		q.memory -= t.need
		q.workers--
		if t.rank == Background {
			q.background--
		}
		t.ready <- nil
	}
}

// first is who goes next, -1 for nobody. Held: mu.
func (q *queue) first(now time.Time) int {
	best, score := -1, time.Duration(0)
	for i, t := range q.waiting {
		if t.rank == Background && q.background == 0 {
			continue
		}
		// Since all grow older alike this is one order, by the time at which
		// each would have come as the first priority.
		s := now.Sub(t.since) - time.Duration(t.rank)*aging
		if best < 0 || s > score {
			best, score = i, s
		}
	}
	return best
}

// widen changes how much memory there is for all; below what is in use, those who
// work give it back first.
func (q *queue) widen(by int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory += by
	q.serve()
}

// grow gives t more memory, if there is some.
func (q *queue) grow(t *turn, more int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if more > q.memory {
		return false
	}
	q.memory -= more
	t.need += more
	return true
}

// leave gives back what t has.
func (q *queue) leave(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory += t.need
	q.workers++
	if t.rank == Background {
		q.background++
	}
	q.serve()
}

// state is the memory that is free and how many wait.
func (q *queue) state() (free int64, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.memory, len(q.waiting)
}

// admit waits for memory and a worker, at most as long as the pool allows.
func (p *Pool) admit(ctx context.Context, need int64, rank Priority) (*turn, error) {
	wait, cancel := context.WithTimeout(ctx, p.o.Wait)
	defer cancel()
	t, err := p.queue.enter(wait, need, rank)
	switch {
	case err == nil:
		p.running.Add(1)
		return t, nil
	case errors.Is(err, errFull):
		p.refused.Add(1)
		return nil, fmt.Errorf("%w: %d are waiting", ErrBusy, p.o.Queue)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	p.refused.Add(1)
	return nil, fmt.Errorf("%w: waited %v", ErrBusy, p.o.Wait)
}

func (p *Pool) leave(t *turn) {
	p.running.Add(-1)
	p.queue.leave(t)
}
