package mux

import (
	"errors"
	"net"
	"time"
)

// Of returns the connection that a service was handed as nc, or that lies below
// what it made of it; nil if there is none.
func Of(nc net.Conn) *Conn { return unwrap(nc) }

// Adopted is what is known of a connection that another process has accepted.
type Adopted struct {
	Remote   net.Addr  // of the client, where a PROXY header named it; nil: the socket's
	Opened   time.Time // when it was accepted
	Protocol Protocol
	Label    string // of the route
	Service  string // for SetService
}

// Adopt takes a connection that is a service's already, as after a hijack: it
// is listed, and counted for the limits, which refuse nobody who was let in
// once. An error leaves nc to the caller.
func (p *Port) Adopt(nc net.Conn, a Adopted) (*Conn, error) {
	s := p.state.Load()
	k, raw, ok := sockOf(nc)
	if s == nil || !ok {
		return nil, errors.ErrUnsupported
	}
	born := time.Now().Add(-time.Since(a.Opened)) // the other process wrote the time of day only
	c := &Conn{sock: k, raw: raw, port: p, id: lastID.Add(1), born: born, remote: nc.RemoteAddr()}
	if a.Remote != nil {
		c.remote = a.Remote
	}
	c.note(Verdict{Protocol: a.Protocol}, Choice{Label: a.Label})
	c.ticket = ticket{stats: s.stats}
	c.guard.limit.Store(int64(s.Front.WriteTimeout))
	n := c.bytes()
	c.tally.in, c.tally.out = n.in, n.written // the other process counted these
	c.SetService(a.Service)
	c.setState(StateHijacked)
	s.stats.open.Inc()
	_ = p.enter(&c.ticket, s)
	if addr := peerAddr(c.remote); s.PerIP > 0 && !exempt(addr) {
		c.ticket.peer = limitKey(addr)
		p.peers.count(c.ticket.peer)
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.conns[c] = struct{}{}
	}
	p.mu.Unlock()
	if closed {
		c.ticket.giveBack(p)
		return nil, net.ErrClosed
	}
	return c, nil
}

// Opened is when the connection was accepted.
func (c *Conn) Opened() time.Time { return c.born }

// Peer is the address that the kernel knows, which is a proxy's where RemoteAddr
// is another.
func (c *Conn) Peer() net.Addr { return c.socket().RemoteAddr() }

// Listener is the label of the port's policy when the connection came.
func (c *Conn) Listener() string { return c.ticket.stats.listener }
