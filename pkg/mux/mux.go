// Package mux splits the connections of one port by protocol and hands each to
// HTTP or to a raw service, as a Policy says that can be swapped at any time. It
// binds no sockets (package listen does) and knows neither services nor routes:
// it asks the policy.
package mux

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A Port is the run-time of one listener. Its methods may be called from any
// goroutine.
type Port struct {
	log     zerolog.Logger
	metrics *Metrics
	state   atomic.Pointer[state]
	ctx     context.Context // of raw connections; ends with Abort
	cancel  context.CancelFunc

	open    atomic.Int64 // connections that Serve took and that are not closed
	pending atomic.Int64 // of these, not handed over yet
	peers   peerLimits

	mu       sync.Mutex // guards the rest
	conns    map[*Conn]struct{}
	sessions map[*session]struct{}
	closed   bool
}

// state is a policy and what was made of it. It does not change.
type state struct {
	Policy
	front *front
	tls   *tlsConfigs // nil: the port is plain
	stats *portStats
}

// lastID numbers connections over all ports; it is the one counter that the
// process shares.
var lastID atomic.Uint64

// NewPort makes a port without a policy; until Apply it closes what it is
// served. m may be shared by all ports; nil counts in vain.
func NewPort(log zerolog.Logger, m *Metrics) *Port {
	if m == nil {
		m = NewMetrics()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Port{log: log, metrics: m, ctx: ctx, cancel: cancel, conns: map[*Conn]struct{}{}, sessions: map[*session]struct{}{}}
	m.ports.add(p)
	return p
}

// Apply makes pol the port's policy. Connections that were handed over keep
// what they got; those being classified get the new one. Requests on kept-alive
// connections are answered by the new handler, and where Front changed or TLS
// was turned on or off, that answer is their connection's last.
func (p *Port) Apply(pol Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	pol = withDefaults(pol)
	old := p.state.Load()
	s := &state{Policy: pol, stats: p.metrics.port(pol.Listener)}
	if pol.TLS != nil {
		s.tls = newTLSConfigs(pol.TLS, old)
	}
	key := frontKey{pol.Front, pol.TLS != nil}
	if old != nil && old.front.key == key {
		s.front = old.front
	} else {
		s.front = newFront(p, key)
	}
	p.peers.rate.set(pol.Rate)
	p.peers.handshakes.set(pol.Handshakes)
	p.state.Store(s)
	if old != nil && old.front != s.front {
		old.front.retire()
	}
}

func withDefaults(pol Policy) Policy {
	setDefault(&pol.DetectTimeout, 3*time.Second)
	setDefault(&pol.Front.HeaderTimeout, 10*time.Second)
	setDefault(&pol.Front.IdleTimeout, 75*time.Second)
	setDefault(&pol.Front.MaxHeader, 64<<10)
	return pol
}

func setDefault[T time.Duration | int](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Serve takes a connection that was just accepted, a *net.TCPConn or
// *net.UnixConn, and owns it from then on. It does not wait for the client.
func (p *Port) Serve(nc net.Conn) {
	s := p.state.Load()
	k, raw, ok := sockOf(nc)
	if s == nil || !ok {
		_ = nc.Close()
		return
	}
	s.stats.accepted.Inc()
	c := &Conn{sock: k, raw: raw, port: p, id: lastID.Add(1), born: time.Now(), remote: nc.RemoteAddr()}
	c.setState(StateDetect)
	p.pending.Add(1)
	c.ticket = ticket{stats: s.stats, pending: true}
	s.stats.open.Inc()
	addr := peerAddr(c.remote)
	c.proxied = s.proxies(addr)
	reason := p.enter(&c.ticket, s)
	if reason == "" && !c.proxied {
		reason = p.admit(c, s, addr)
	}
	if !p.add(c) {
		reason = refusedClosed
	}
	if reason != "" {
		p.refuse(c, reason)
		return
	}
	p.dispatch(c)
}

// dispatch sends c on the way that the policy has now.
func (p *Port) dispatch(c *Conn) {
	for !p.isClosed() {
		s := p.state.Load()
		switch {
		case s.Look == LookSplit:
			if !s.front.feed(c) {
				continue // this front was just replaced
			}
		case c.proxied || s.Look == LookHTTP && s.tls != nil:
			go p.lookFirst(c)
		default:
			p.direct(c, s)
		}
		return
	}
	p.refuse(c, refusedClosed)
}

// add puts c on the list; it reports false if the port is closed.
func (p *Port) add(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return !p.closed
}

// remove is called once for every connection, when it was closed.
func (p *Port) remove(c *Conn) {
	p.handed(c)
	c.release()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// handed ends the time in which c was accepted but nobody's.
func (p *Port) handed(c *Conn) {
	c.mu.Lock()
	was := c.ticket.pending
	c.ticket.pending = false
	c.mu.Unlock()
	if was {
		p.pending.Add(-1)
	}
}

// refuse closes a connection before it was handed over.
func (p *Port) refuse(c *Conn, reason string) {
	c.ticket.stats.refused(reason)
	p.log.Debug().Stringer("peer", c.RemoteAddr()).Str("reason", reason).Msg("connection refused")
	_ = c.Close()
}

// lookFirst is the goroutine of a connection that must be waited for on a port
// that does not split.
func (p *Port) lookFirst(c *Conn) {
	deadline := c.born.Add(p.state.Load().DetectTimeout)
	if reason := p.readProxy(c, deadline); reason != "" {
		p.refuse(c, reason)
		return
	}
	s := p.state.Load()
	if s.Look == LookSplit { // it changed meanwhile
		p.dispatch(c)
		return
	}
	if s.Look == LookHTTP && s.tls != nil {
		// Only plain HTTP must be told from TLS: the first byte says it.
		err := c.peek(deadline, func(b []byte, end bool) bool {
			c.plain = len(b) > 0 && b[0] != recordHandshake
			return len(b) > 0 || end
		})
		if err != nil {
			p.refuse(c, refusedFor(err))
			return
		}
	}
	p.direct(c, s)
}

// direct hands c over without a look at its bytes.
func (p *Port) direct(c *Conn, s *state) {
	choice := c.settle(s, Verdict{})
	switch {
	case choice.Terminate && !p.mayShake(c.ClientAddr()):
		p.refuse(c, refusedTooMany)
	case choice.HTTP:
		p.serveHTTPConn(c)
	default:
		go p.serveRaw(c)
	}
}

// decide reads a PROXY header where one is due, classifies the connection and
// asks the policy, all within one deadline. It returns why the connection must
// be closed instead, or "".
func (p *Port) decide(c *Conn) (reason string) {
	s := p.state.Load()
	deadline := c.born.Add(s.DetectTimeout)
	if reason := p.readProxy(c, deadline); reason != "" {
		return reason
	}
	v, err := c.classify(deadline)
	if err != nil {
		return refusedFor(err)
	}
	s = p.state.Load()
	s.stats.detected(v.Protocol, time.Since(c.born))
	if v.Protocol == Silent && s.SilentClose {
		return refusedSilent
	}
	choice := c.settle(s, v)
	if !choice.HTTP && choice.Raw == nil {
		return refusedUnmatched
	}
	if choice.Terminate && !p.mayShake(c.ClientAddr()) {
		return refusedTooMany
	}
	return ""
}

// settle asks the policy and notes its answer. On a port with TLS, HTTP without
// it is plain: it is answered, not served.
func (c *Conn) settle(s *state, v Verdict) Choice {
	var choice Choice
	if s.Look == LookHTTP {
		choice = Choice{HTTP: true, Terminate: s.tls != nil && !c.plain && !isHTTP(v.Protocol)}
	} else {
		choice = s.Choose(c, v)
	}
	if s.tls != nil && !choice.Terminate && (choice.HTTP || isHTTP(v.Protocol) && choice.Raw == nil) {
		c.plain, choice.HTTP = true, true
	}
	c.note(v, choice)
	return choice
}

func isHTTP(p Protocol) bool { return p == HTTP1 || p == HTTP2 || p == HTTP3 }

// classify waits until the bytes say enough or the deadline passes.
func (c *Conn) classify(deadline time.Time) (v Verdict, err error) {
	look := func(b []byte, end bool) (done bool) {
		v, done = Classify(b, end)
		return done
	}
	if err := c.peek(deadline, look); isTimeout(err) {
		_, err = c.peekNow(true, look)
		return v, err
	} else if err != nil {
		return v, err
	}
	return v, nil
}

// peerAddr is the address of a TCP peer; the zero Addr for unix peers.
func peerAddr(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
