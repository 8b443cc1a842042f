// Package link is an address for tests that leads to another one, and a network
// that fails when the test says so: it cuts, resets and stalls connections. It
// does not look at what they carry.
package link

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// A Link leads from Addr to where To says. It ends with the test.
type Link struct {
	Addr string // host:port

	ln     net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	to     string                // "": nobody is there; guarded by mu
	gate   chan struct{}         // closed while bytes may pass; guarded by mu
	conns  map[*net.TCPConn]bool // guarded by mu
	closed bool                  // guarded by mu
}

// New returns a link to nowhere.
func New(t testing.TB) *Link {
	t.Helper()
	return At(t, "127.0.0.1:0")
}

// At is New with an address of its own.
func At(t testing.TB, addr string) *Link {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{Addr: ln.Addr().String(), ln: ln, gate: make(chan struct{}), conns: map[*net.TCPConn]bool{}}
	close(l.gate)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.work.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// To leads new connections to addr, or, where that is empty, resets them.
func (l *Link) To(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = addr
}

// Reset resets all connections; new ones go on being made.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		reset(c)
	}
}

// Stall keeps all bytes where they are, those of new connections too, or lets
// them go on.
func (l *Link) Stall(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.gate:
		if on {
			l.gate = make(chan struct{})
		}
	default:
		if !on {
			close(l.gate)
		}
	}
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (l *Link) close() {
	l.cancel()
	_ = l.ln.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.Reset()
	l.work.Wait()
}

func (l *Link) accept() {
	for {
		c, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.serve(c.(*net.TCPConn)) })
	}
}

// keep notes a connection, so that it can be reset.
func (l *Link) keep(c *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[c] = true; l.closed {
		reset(c)
	}
}

func (l *Link) forget(c *net.TCPConn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

func (l *Link) serve(in *net.TCPConn) {
	l.keep(in)
	defer l.forget(in)
	if l.pass() != nil {
		return
	}
	l.mu.Lock()
	to := l.to
	l.mu.Unlock()
	var d net.Dialer
	up, err := net.Conn(nil), error(net.ErrClosed)
	if to != "" {
		up, err = d.DialContext(l.ctx, "tcp", to)
	}
	if err != nil {
		reset(in)
		return
	}
	out := up.(*net.TCPConn)
	l.keep(out)
	defer l.forget(out)
	var both sync.WaitGroup
	both.Go(func() { l.copy(out, in) })
	both.Go(func() { l.copy(in, out) })
	both.Wait()
}

// copy carries one direction. A reset on one side becomes one on the other.
func (l *Link) copy(dst, src *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if l.pass() != nil {
			return
		}
		if _, werr := dst.Write(buf[:n]); werr != nil {
			reset(src)
			return
		}
		switch {
		case err == nil:
		case err == io.EOF:
			_ = dst.CloseWrite()
			return
		default:
			reset(dst)
			return
		}
	}
}

// pass waits while the link is stalled.
func (l *Link) pass() error {
	l.mu.Lock()
	gate := l.gate
	l.mu.Unlock()
	select {
	case <-gate:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}
