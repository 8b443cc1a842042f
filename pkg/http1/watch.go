package http1

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A requestContext is the context of a request. It ends with the handler, and when
// the client has left; whether it has is watched only when somebody asks.
type requestContext struct {
	context.Context // of the connection: its values
	x               *exchange
	waited          atomic.Pointer[waited] // nil: nobody waits
	asked           atomic.Bool            // by Err

	mu    sync.Mutex // guards the rest
	ended bool
	body  bool // it was read to its end: from then on the client can be watched
}

// waited is what those get who wait for the end.
type waited struct {
	context.Context
	cancel context.CancelFunc
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	if w := c.waited.Load(); w != nil {
		return w.Done()
	}
	return c.wait().Done()
}

// Err implements context.Context. Who asks a second time wants to know.
func (c *requestContext) Err() error {
	if w := c.waited.Load(); w != nil {
		return w.Err()
	}
	if c.asked.Swap(true) {
		return c.wait().Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context. Package context finds here what its children
// hang on.
func (c *requestContext) Value(key any) any {
	if w := c.waited.Load(); w != nil {
		return w.Value(key)
	}
	return c.Context.Value(key)
}

func (c *requestContext) wait() *waited {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.waited.Load(); w != nil {
		return w
	}
	w := &waited{}
	w.Context, w.cancel = context.WithCancel(c.Context)
	c.waited.Store(w)
	if c.ended {
		w.cancel()
	} else if c.body {
		c.x.conn.watch(c)
	}
	return w
}

// bodyEnded is called when all of the request was read.
func (c *requestContext) bodyEnded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.body {
		return
	}
	c.body = true
	if !c.ended && c.waited.Load() != nil {
		c.x.conn.watch(c)
	}
}

// end ends it.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if w := c.waited.Load(); w != nil {
		w.cancel()
	}
}

// A watch waits in the background for a byte that nobody expects, and so learns that
// the client has left.
type watch struct {
	done    chan struct{}
	stopped atomic.Bool
	n       int   // written before done is closed
	err     error // the same
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// watch begins to look whether the client leaves. It is called by whoever waits, at
// most once for a request, with c.mu held.
func (c *conn) watch(ctx *requestContext) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watching != nil || c.closed {
		return
	}
	c.setReadDeadline(time.Time{})
	w := &watch{done: make(chan struct{})}
	c.watching = w
	go func() {
		defer close(w.done)
		w.n, w.err = c.nc.Read(c.in.one[:])
		if w.n == 0 && !(w.stopped.Load() && isTimeout(w.err)) {
			ctx.end()
		}
	}()
}

// unwatch ends what watch began; closed: and lets nobody begin again. A byte that
// came is the first of the next request.
func (c *conn) unwatch() {
	c.mu.Lock()
	w := c.watching
	c.watching, c.closed = nil, true
	c.mu.Unlock()
	if w == nil {
		return
	}
	w.stopped.Store(true)
	_ = c.nc.SetReadDeadline(past)
	<-w.done
	c.setReadDeadline(time.Time{})
	if w.n > 0 {
		c.in.unread(c.in.one[0])
	}
}
