package mux

import (
	"io"
	"net"
	"sync"

	"github.com/soheilhy/cmux"
)

// handoff is a listener in memory without a queue: a connection that give took
// is in the hands of whoever called Accept.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handoff) give(nc net.Conn) bool {
	select {
	case h.conns <- nc:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes no socket: there is none.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// A splitter is a cmux that sees our connections, never a socket. Its first
// matcher classifies; after that all of them only compare the outcome, and none
// reads through cmux, whose buffers so stay empty. What comes out is our
// connection again.
type splitter struct {
	root *handoff
}

func newSplitter(f *front) *splitter {
	p, s := f.port, &splitter{root: newHandoff()}
	m := cmux.New(s.root)
	m.HandleError(func(error) bool { return true }) // one connection's fault is never the root's
	web := m.MatchWithWriters(func(w io.Writer, _ io.Reader) bool {
		c := w.(*Conn)
		if reason := p.decide(c); reason != "" {
			p.refuse(c, reason)
			return false
		}
		return c.choice().HTTP
	})
	raw := m.MatchWithWriters(func(w io.Writer, _ io.Reader) bool {
		c := w.(*Conn)
		return !c.choice().HTTP && !c.closed.Load()
	})
	go serveChild(&child{Listener: web, take: p.takeHTTP}, func(nc net.Conn) { go f.http1.ServeConn(nc) })
	go serveChild(&child{Listener: raw, take: func(c *Conn) net.Conn { return c }}, func(nc net.Conn) {
		go p.serveRaw(nc.(*Conn))
	})
	go func() { _ = m.Serve() }() // ends when root is closed
	return s
}

// takeHTTP is the step from the splitter to the HTTP server behind it.
func (p *Port) takeHTTP(c *Conn) net.Conn {
	c.srv.Store(c.flight.Load())
	p.handed(c)
	return p.forHTTP(c)
}

// close ends the splitter. Nothing may be inside.
func (s *splitter) close() { s.root.Close() }

func serveChild(l net.Listener, h func(net.Conn)) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		h(nc)
	}
}

// child unwraps what cmux matched. Its Close is its own, not the root's.
type child struct {
	net.Listener
	take func(*Conn) net.Conn
}

func (l *child) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, net.ErrClosed
	}
	c := nc.(*cmux.MuxConn).Conn.(*Conn)
	nc = l.take(c)
	c.land()
	return nc, nil
}

func (l *child) Close() error { return nil }
