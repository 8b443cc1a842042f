package daemon

import (
	"context"
	"iter"
	"sync"
	"time"
)

// A call is a request or a raw connection that the service is busy with. It is
// the context of its handler: the request's, and ended early when time is up
// for the service. The second context is made only for handlers that wait.
type call struct {
	context.Context
	cut   func() // ends what the handler may be blocked in
	start time.Time
	// packets: it is a peer of UDP. Nobody can tell it to come to an end, so
	// nobody waits for it.
	packets bool

	before, after *call // in the list of the instance; guarded by its mutex

	mu     sync.Mutex
	over   bool
	merged context.Context
	cancel context.CancelFunc
}

// calls are a list of those that go on, which costs less than a map.
type calls struct {
	first *call
	n     int
}

func (l *calls) add(c *call) {
	if c.after = l.first; c.after != nil {
		c.after.before = c
	}
	l.first = c
	l.n++
}

// remove takes out one that is there.
func (l *calls) remove(c *call) {
	if c.before != nil {
		c.before.after = c.after
	} else {
		l.first = c.after
	}
	if c.after != nil {
		c.after.before = c.before
	}
	c.before, c.after = nil, nil
	l.n--
}

// all are the calls, which must stay as they are meanwhile.
func (l *calls) all() iter.Seq[*call] {
	return func(yield func(*call) bool) {
		for c := l.first; c != nil && yield(c); c = c.after {
		}
	}
}

func (c *call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.merged == nil {
		c.merged, c.cancel = context.WithCancel(c.Context)
		if c.over {
			c.cancel()
		}
	}
	return c.merged.Done()
}

// AfterFunc is what context.WithCancel and its like look for: without it they
// would start a goroutine for each context that is made from this one.
func (c *call) AfterFunc(f func()) (stop func() bool) {
	c.Done()
	return context.AfterFunc(c.merged, f)
}

func (c *call) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return context.Canceled
	case c.merged != nil:
		return c.merged.Err()
	}
	return c.Context.Err()
}

// end ends the call's context; with cut, what its handler is blocked in too.
func (c *call) end(cut bool) {
	c.mu.Lock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if cut {
		c.cut()
	}
}
