package mux

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// A session is a connection that has no socket of its own: over QUIC, or the
// packets of one UDP peer. Limits and lists treat it as they treat a Conn.
type session struct {
	id       uint64
	born     time.Time
	remote   net.Addr
	protocol Protocol
	ticket   ticket
	tally    tally
	service  atomic.Pointer[string]
	traffic  func() (local net.Addr, in, out int64) // nil: not known yet
}

// openSession counts a session in, or says why it may not be. What was opened is
// closed with closeSession.
func (p *Port) openSession(s *state, remote net.Addr, protocol Protocol) (c *session, reason string) {
	s.stats.accepted.Inc()
	s.stats.open.Inc()
	c = &session{id: lastID.Add(1), born: time.Now(), remote: remote, protocol: protocol, ticket: ticket{stats: s.stats}}
	var addr netip.Addr
	if u, ok := remote.(*net.UDPAddr); ok {
		addr = u.AddrPort().Addr().Unmap()
	}
	reason = p.enter(&c.ticket, s)
	if reason == "" {
		reason = p.welcome(s, addr)
	}
	if reason == "" && s.PerIP > 0 && !exempt(addr) {
		if key := limitKey(addr); p.peers.enter(key, s.PerIP) {
			c.ticket.peer = key
		} else {
			reason = refusedPerIP
		}
	}
	if reason == "" && protocol == HTTP3 && !p.mayShake(addr) {
		reason = refusedTooMany
	}
	p.mu.Lock()
	if p.closed {
		reason = refusedClosed
	} else if reason == "" {
		p.sessions[c] = struct{}{}
	}
	p.mu.Unlock()
	if reason != "" {
		c.ticket.giveBack(p)
		s.stats.refused(reason)
		return nil, reason
	}
	s.stats.detected(protocol, 0)
	return c, ""
}

func (p *Port) closeSession(c *session) {
	p.mu.Lock()
	delete(p.sessions, c)
	p.mu.Unlock()
	c.count(p)
	c.ticket.giveBack(p)
}

// sessionInfos describes the open sessions, oldest first.
func (p *Port) sessionInfos() (infos []Info) {
	p.mu.Lock()
	for c := range p.sessions {
		infos = append(infos, c.info())
	}
	p.mu.Unlock()
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

// info must be called with the port's mu held.
func (c *session) info() Info {
	i := Info{ID: c.id, Peer: addrString(c.remote), Protocol: c.protocol, State: StateActive, Since: c.born, Opened: c.born}
	if name := c.service.Load(); name != nil {
		i.Service = *name
	}
	if c.traffic != nil {
		var local net.Addr
		local, i.In, i.Out = c.traffic()
		i.Local = addrString(local)
	}
	return i
}
