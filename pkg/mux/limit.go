package mux

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Why a connection was refused: the values of the reason label.
const (
	refusedClosed    = "closed"     // the port is going away
	refusedTotal     = "total"      // the budget of the whole daemon
	refusedMemory    = "memory"     // likewise
	refusedFull      = "full"       // MaxConns
	refusedPerIP     = "per_ip"     // PerIP
	refusedRate      = "rate"       // Rate
	refusedTooMany   = "handshakes" // Handshakes
	refusedDenied    = "denied"     // Allow or Deny
	refusedProxy     = "proxy"      // no PROXY header where one is due
	refusedSilent    = "silent"     // nothing was said in time
	refusedUnmatched = "unmatched"  // no route takes it
	refusedHandshake = "handshake"  // TLS for a raw service failed
	refusedError     = "error"      // the client reset the connection
)

// refusedFor words an error of waiting for a client.
func refusedFor(err error) string {
	if isTimeout(err) {
		return refusedSilent
	}
	return refusedError
}

// A Budget limits connections over several ports. The zero Budget has no limit.
type Budget struct {
	limit, used atomic.Int64
	full        atomic.Bool
}

// SetLimit changes the limit; 0 means none. Connections that are open stay.
func (b *Budget) SetLimit(n int) { b.limit.Store(int64(n)) }

// SetFull has all connections refused, or not any more.
func (b *Budget) SetFull(full bool) { b.full.Store(full) }

// Used is the number of open connections.
func (b *Budget) Used() int { return int(b.used.Load()) }

// ticket is what a connection holds of limits and gauges, and gives back once.
type ticket struct {
	stats  *portStats
	budget *Budget // set before anybody else can close the connection

	// Guarded by Conn.mu.
	pending  bool
	released bool
	peer     netip.Addr // counted for PerIP; zero: not
}

// release is called once, by Close.
func (c *Conn) release() {
	c.mu.Lock()
	c.ticket.released = true
	t := c.ticket
	c.mu.Unlock()
	t.giveBack(c.port)
}

func (t *ticket) giveBack(p *Port) {
	t.stats.open.Dec()
	p.open.Add(-1)
	if t.budget != nil {
		t.budget.used.Add(-1)
	}
	if t.peer.IsValid() {
		p.peers.leave(t.peer)
	}
}

// hold counts c for its client's address.
func (c *Conn) hold(a netip.Addr, limit int) (reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ticket.released {
		return refusedClosed
	}
	if !c.port.peers.enter(a, limit) {
		return refusedPerIP
	}
	c.ticket.peer = a
	return ""
}

// enter counts a connection for the limits that need no address.
func (p *Port) enter(t *ticket, s *state) (reason string) {
	n := p.open.Add(1)
	if b := s.Budget; b != nil {
		t.budget = b
		if n, limit := b.used.Add(1), b.limit.Load(); limit > 0 && n > limit {
			return refusedTotal
		}
		if b.full.Load() {
			return refusedMemory
		}
	}
	if s.MaxConns > 0 && n > int64(s.MaxConns) {
		return refusedFull
	}
	return ""
}

// admit applies the lists and limits to the client's address. Unix peers have
// none and pass; loopback is exempt from limits, not from the lists.
func (p *Port) admit(c *Conn, s *state, a netip.Addr) (reason string) {
	if reason = p.welcome(s, a); reason != "" || exempt(a) || s.PerIP == 0 {
		return reason
	}
	return c.hold(limitKey(a), s.PerIP)
}

// welcome is admit without counting the connection.
func (p *Port) welcome(s *state, a netip.Addr) (reason string) {
	switch {
	case !a.IsValid():
		return ""
	case contains(s.Deny, a) || len(s.Allow) > 0 && !contains(s.Allow, a):
		return refusedDenied
	case !exempt(a) && !p.peers.rate.allow(limitKey(a)):
		return refusedRate
	}
	return ""
}

// exempt reports whether no limit of addresses holds for a.
func exempt(a netip.Addr) bool { return !a.IsValid() || a.IsLoopback() }

// limitKey is what counts as one client: an IPv4 address, or the /64 that an
// IPv6 client has to itself.
func limitKey(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	if a.Is6() {
		pre, _ := a.Prefix(64) // cannot fail: 64 fits
		return pre.Addr()
	}
	return a
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	a = a.WithZone("") // a Prefix contains no address with a zone
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// proxies reports whether a sends PROXY headers.
func (s *state) proxies(a netip.Addr) bool { return a.IsValid() && contains(s.ProxyFrom, a) }

// mayShake counts a handshake that a wants to begin.
func (p *Port) mayShake(a netip.Addr) bool {
	return exempt(a) || p.peers.handshakes.allow(limitKey(a))
}

// peerLimits counts by address. The zero value limits nothing. Memory of open is
// bounded by the connections that there are.
type peerLimits struct {
	rate, handshakes perSecond

	mu   sync.Mutex // guards open
	open map[netip.Addr]int
}

// perSecond is a rate for each address that may be changed; what was used up is
// forgotten only then.
type perSecond struct {
	mu      sync.Mutex                     // guards the rest
	limiter *ratelimit.Limiter[netip.Addr] // nil: no limit
	rate    float64
}

// maxPeers bounds the memory of each rate: 64 Ki addresses, about 8 MB.
const maxPeers = 64 << 10

func (l *perSecond) set(rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rate == l.rate {
		return
	}
	l.rate, l.limiter = rate, nil
	if rate > 0 {
		l.limiter = ratelimit.New[netip.Addr](rate, max(1, int(rate)), maxPeers)
	}
}

func (l *perSecond) allow(a netip.Addr) bool {
	l.mu.Lock()
	r := l.limiter
	l.mu.Unlock()
	return r == nil || r.Allow(a, time.Now())
}

func (l *peerLimits) enter(a netip.Addr, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[a] >= limit {
		return false
	}
	l.add(a)
	return true
}

// count is enter without a limit.
func (l *peerLimits) count(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(a)
}

// add needs mu.
func (l *peerLimits) add(a netip.Addr) {
	if l.open == nil {
		l.open = map[netip.Addr]int{}
	}
	l.open[a]++
}

func (l *peerLimits) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[a]--; l.open[a] <= 0 {
		delete(l.open, a)
	}
}
