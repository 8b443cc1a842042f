// Package relay moves bytes between two connections, in both directions, until
// both have ended. On Linux a few goroutines do so for all relays, and what comes in
// masses stays in the kernel. It understands nothing of what it moves, and changes no
// byte.
package relay

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/lean"
)

// An End is why a relay came to its end.
type End int32

// The reasons.
const (
	none      End = iota
	EndClosed     // both sides said that they have no more
	EndBroken     // one of them broke off, which the other was told
	EndIdle       // nothing came for too long
	EndCut        // the context of Run ended
)

func (e End) String() string {
	return [...]string{"none", "closed", "broken", "idle", "stopped"}[e]
}

// Options are what a relay goes by.
type Options struct {
	// Loops move the bytes where both connections are sockets. nil: they are moved by
	// hand, as all others are.
	Loops *Loops
	// Idle ends a relay in which nothing came in either direction for so long,
	// or up to a quarter longer. It must be positive. A side that takes its bytes
	// slowly is not idle.
	Idle time.Duration
	// Received and Sent are told how many bytes went on to up and to the client. Each
	// is called by one goroutine at a time, and must not block. nil: nobody is.
	Received, Sent func(n int)
	// Gone is closed when nobody is left behind up. Where up has ended its side
	// already, the relay then ends too. nil: it never is.
	Gone <-chan struct{}
}

// A Relay is a pair of connections.
type Relay struct {
	opt        Options
	client, up net.Conn     // to be closed
	socket     net.Conn     // of client; what bytes are moved through
	left       atomic.Int32 // directions that have not ended, of those by hand
	moved      atomic.Int64 // bytes
	why        atomic.Int32 // an End
	loop       looped

	mu       sync.Mutex  // guards the rest
	timer    *time.Timer // by hand only
	looked   bool        // somebody has, once
	progress int64
	since    time.Time // when progress was made
}

// New makes a relay. The caller closes both connections after Run, which may have
// done so already. What a Read of client returns must be what its NetConn, if it
// has one, receives.
func New(client, up net.Conn, opt Options) *Relay {
	r := &Relay{opt: opt, client: client, up: up, socket: Socket(client)}
	r.left.Store(2)
	return r
}

// Run moves bytes until both sides have ended, or ctx has. Whoever closes one of the
// connections meanwhile ends ctx, too. It is called once.
func (r *Relay) Run(ctx context.Context) End {
	r.since = time.Now()
	if r.enter() { // its loop looks after it
		r.await(ctx)
	} else {
		r.watch()
		defer r.unwatch()
		r.byHand(ctx)
	}
	r.why.CompareAndSwap(int32(none), int32(EndClosed))
	return End(r.why.Load())
}

// byHand moves the bytes with a goroutine for each direction.
func (r *Relay) byHand(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { r.close(EndCut) })()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.direction(r.up, r.socket, r.opt.Received)
	}()
	r.direction(r.socket, r.up, r.opt.Sent)
	select {
	case <-done:
	case <-r.opt.Gone:
		r.close(EndClosed)
		<-done
	}
}

// direction moves what src sends to dst and then ends dst's side; the other
// direction goes on.
func (r *Relay) direction(dst, src net.Conn, count func(int)) {
	err := carry(dst, src, func(n int) { r.note(n, count) })
	if err != nil {
		r.abort()
		return
	}
	if r.left.Add(-1) == 0 {
		return // both are closed in a moment, which says the same
	}
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // where dst is broken the other direction finds out
		return
	}
	_ = dst.Close() // all that can be said to what has no half
}

// note counts what was moved.
func (r *Relay) note(n int, count func(int)) {
	r.moved.Add(int64(n))
	if count != nil {
		count(n)
	}
}

// carry moves bytes by hand.
func carry(dst, src net.Conn, note func(int)) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			note(n)
		}
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// How long there may be between two looks. A relay that sees one counts as one that
// lasts.
const (
	shortest = time.Millisecond
	longest  = 15 * time.Second
)

// watch looks four times in each idle time whether bytes move. Deadlines would
// stop a write in its middle, with bytes in its hands.
func (r *Relay) watch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(r.pause(), func() {
		if r.look(time.Now()) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.timer != nil {
				r.timer.Reset(r.pause())
			}
		}
	})
}

// pause is the time between two looks.
func (r *Relay) pause() time.Duration { return min(max(r.opt.Idle/4, shortest), longest) }

// look ends the relay if it was idle for too long; else it returns true.
func (r *Relay) look(now time.Time) bool {
	n := r.sofar()
	r.mu.Lock()
	first, moved := !r.looked, n != r.progress
	r.looked = true
	if moved {
		r.progress, r.since = n, now
	}
	idle := now.Sub(r.since)
	r.mu.Unlock()
	if first { // most do not live to see it, and need no more than they came with
		keepAlive(r.up)
	}
	if idle >= r.opt.Idle {
		r.close(EndIdle)
		return false
	}
	return true
}

// sofar is a number that changes whenever bytes move, also out of the kernel's
// buffers.
func (r *Relay) sofar() int64 {
	return r.moved.Load() + kernelBytes(r.socket) + kernelBytes(r.up)
}

func (r *Relay) unwatch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer.Stop()
	r.timer = nil
}

// abort passes on that one side broke off: the other must not take it for an
// end.
func (r *Relay) abort() {
	if End(r.why.Load()) != none {
		return // closed by us
	}
	reset(r.client)
	reset(r.up)
	r.close(EndBroken)
}

// close ends the moves and closes both connections. The first reason counts.
func (r *Relay) close(why End) {
	r.why.CompareAndSwap(int32(none), int32(why))
	r.leave()
	_ = r.client.Close()
	_ = r.up.Close()
}

// reset makes the coming Close of c a reset, so that the peer learns of an
// abort.
func reset(c net.Conn) {
	if t, ok := Socket(c).(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
}

// Socket unwraps c to what the kernel can copy from and to, if that is all there
// is to c. What NetConn returns of a TLS connection is not what it carries; c must
// hide it.
func Socket(c net.Conn) net.Conn {
	if w, ok := c.(interface{ NetConn() net.Conn }); ok {
		switch sock := w.NetConn().(type) {
		case *net.TCPConn, *net.UnixConn, *lean.Conn:
			return sock
		}
	}
	return c
}
