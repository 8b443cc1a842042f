package process

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What becomes of a request that finds no program.
var (
	errQueueFull = errors.New("the program is not ready, and too many wait for it already")
	errNotReady  = errors.New("the program did not become ready in time")
	errClosed    = errors.New("the service has ended")
)

// A gate gives requests their child. While there is none they wait, so many and
// so long; what comes on top is turned away at once.
type gate struct {
	mu      sync.Mutex // guards what follows and what a child says it does
	queue   Queue
	child   *child // serves; nil while none does
	waiting int
	changed chan struct{} // closed and renewed when child or closed change
	closed  bool
}

func newGate(q Queue) *gate { return &gate{queue: q, changed: make(chan struct{})} }

// configure makes q hold for what comes from now on.
func (g *gate) configure(q Queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = q
}

// notify must be called with mu held.
func (g *gate) notify() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// serve makes c the child of requests from now on.
func (g *gate) serve(c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.child = c
	g.notify()
}

// withdraw keeps requests from c, if it is the one that serves.
func (g *gate) withdraw(c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.child == c {
		g.child = nil
		g.notify()
	}
}

// close turns away everybody from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.child, g.closed = nil, true
	g.notify()
}

// serving is the child that can take requests, or nil. mu is held.
func (g *gate) serving() *child {
	if g.child == nil || g.child.life.Err() != nil {
		return nil // one that has just ended is withdrawn in a moment
	}
	return g.child
}

// enter is the child of a request, which the caller gives back with leave. Where
// there is none it waits; ctx ends that.
func (g *gate) enter(ctx context.Context) (*child, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.serving(); c != nil {
		c.calls++
		return c, nil
	}
	switch {
	case g.closed:
		return nil, errClosed
	case g.waiting >= g.queue.Requests:
		return nil, errQueueFull
	}
	g.waiting++
	defer func() { g.waiting-- }()
	late := time.NewTimer(g.queue.Timeout)
	defer late.Stop()
	for {
		if err := g.await(ctx, late.C); err != nil {
			return nil, err
		}
		if g.closed {
			return nil, errClosed
		}
		if c := g.serving(); c != nil {
			c.calls++
			return c, nil
		}
	}
}

// await lets go of mu until something has changed.
func (g *gate) await(ctx context.Context, late <-chan time.Time) error {
	changed := g.changed
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		return errNotReady
	}
}

// leave gives a child back.
func (g *gate) leave(c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.calls--
	if c.calls == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// idle is closed when c, which must not serve any more, has no calls left.
func (g *gate) idle(c *child) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	done := make(chan struct{})
	if c.calls == 0 {
		close(done)
	} else {
		c.idle = done
	}
	return done
}

// keep notes a stream of c, which is asked to end when c is replaced.
func (g *gate) keep(c *child, s *stream) (forget func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.streams == nil { // c was replaced while the stream began
		go s.end(closeServiceRestart)
		return func() {}
	}
	c.streams[s] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(c.streams, s)
	}
}

// endStreams asks the streams of c to end.
func (g *gate) endStreams(c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range c.streams {
		go s.end(closeServiceRestart)
	}
	c.streams = nil
}

// load is what waits now.
func (g *gate) load() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}
