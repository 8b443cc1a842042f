package mux

import (
	"cmp"
	"context"
	"net"
	"slices"
	"time"
)

// Info describes a connection at one moment.
type Info struct {
	ID       uint64
	Peer     string // the client's address, from the PROXY header where there is one
	Via      string // the proxy's address, where there was a PROXY header
	Local    string
	Protocol Protocol
	Label    string // of the route
	Service  string // as SetService noted
	State    State
	Since    time.Time // when State was entered
	Opened   time.Time
	In, Out  int64 // bytes from and to the client, on the wire
}

// Conns describes the open connections, oldest first.
func (p *Port) Conns() []Info {
	conns := p.list()
	infos := make([]Info, len(conns))
	for i, c := range conns {
		infos[i] = c.info()
	}
	return append(infos, p.sessionInfos()...)
}

func (p *Port) list() []*Conn {
	p.mu.Lock()
	conns := make([]*Conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.mu.Unlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
	return conns
}

func (c *Conn) info() Info {
	in, out := c.Bytes()
	st, since := c.State()
	c.mu.Lock()
	defer c.mu.Unlock()
	verdict, choice := c.decision()
	i := Info{
		ID: c.id, Peer: addrString(c.remote), Local: addrString(c.sock.LocalAddr()),
		Protocol: verdict.Protocol, Label: choice.Label, Service: c.Service(),
		State: st, Since: since, Opened: c.born, In: in, Out: out,
	}
	if kernel := c.sock.RemoteAddr(); kernel != c.remote {
		i.Via = addrString(kernel)
	}
	return i
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// Pending is the number of connections that were accepted and not handed over
// to HTTP or a raw service yet.
func (p *Port) Pending() int { return int(p.pending.Load()) }

// Open is the number of open connections.
func (p *Port) Open() int { return int(p.open.Load()) }

// Idle is the number of HTTP connections that were kept alive before t and not
// used since. A daemon that stops waits for them to be used once more.
func (p *Port) Idle(t time.Time) (n int) {
	for _, c := range p.list() {
		if st, since := c.State(); st == StateIdle && since.Before(t) {
			n++
		}
	}
	return n
}

const (
	// newGrace is how long a connection may take to say something before it
	// counts as idle; browsers open some that they never use.
	newGrace = 300 * time.Millisecond
	// handshakeGrace is the same for TLS, which takes round trips.
	handshakeGrace = time.Second
	// heardGrace is how long the HTTP/2 server may take from a frame to a
	// request.
	heardGrace = 20 * time.Millisecond
)

// resting reports whether nothing is lost when c is closed: it waits for a
// request, and none is on its way as far as the kernel knows.
func (c *Conn) resting() bool {
	st, since := c.State()
	age := time.Since(since)
	switch st {
	case StateIdle:
		if at := c.heard.Load(); at != 0 && time.Since(c.born)-time.Duration(at) < heardGrace {
			return false
		}
	case StateDetect, StateNew:
		if age < newGrace {
			return false
		}
	case StateHandshake:
		if age < handshakeGrace {
			return false
		}
	default:
		return false
	}
	return readable(c.socket()) == 0
}

// CloseIdle closes the connections between two HTTP requests, and those that
// have said nothing for 300 ms since they were opened, unless bytes of the
// client are waiting to be read.
func (p *Port) CloseIdle() {
	for _, c := range p.list() {
		if c.resting() {
			_ = c.Close()
		}
	}
}

// Close ends the port: it takes no more connections (close the socket first),
// what was accepted is still handed over and answered, every HTTP answer is its
// connection's last, and idle connections are closed. It returns when no HTTP
// connection is left; when ctx ends it closes those that remain and returns the
// context's error. Hijacked and raw connections belong to their services and
// stay open; see Abort.
func (p *Port) Close(ctx context.Context) error {
	if s := p.state.Load(); s != nil {
		s.front.retired.Store(true)
	}
	for p.Pending() > 0 && ctx.Err() == nil {
		p.CloseIdle()
		pause(ctx)
	}
	p.end()
	for p.busy() && ctx.Err() == nil {
		p.CloseIdle()
		pause(ctx)
	}
	if !p.busy() {
		return nil
	}
	for _, c := range p.list() {
		if c.ofPort() {
			_ = c.Close()
		}
	}
	return ctx.Err()
}

// end lets no more connections in.
func (p *Port) end() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if s := p.state.Load(); s != nil {
		s.front.retire()
	}
}

func (p *Port) busy() bool { return slices.ContainsFunc(p.list(), (*Conn).ofPort) }

// pause lets some time pass, or ctx end.
func pause(ctx context.Context) {
	t := time.NewTimer(5 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// ofPort reports whether c is the port's own affair, not a service's.
func (c *Conn) ofPort() bool {
	st, _ := c.State()
	return st != StateHijacked && st != StateRaw
}

// Abort ends the contexts of raw connections and closes every connection.
func (p *Port) Abort() {
	p.end()
	p.cancel()
	for _, c := range p.list() {
		_ = c.Close()
	}
}
