// Package listen keeps sockets by address, so that they outlive what is served
// on them. It accepts connections and hands them on; it does not look at them,
// limit them or know what they are for. Sockets of packets it only keeps.
package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/rs/zerolog"
)

// Address is where to listen. It is comparable; two equal ones are one socket.
type Address struct {
	Network string // tcp, udp or unix
	Host    string // IP address, or empty for all, IPv4 and IPv6; for unix the absolute path
	Port    int    // 0: the kernel picks one, and it stays while the socket is open
	Name    string // tells sockets with Port 0 apart; empty otherwise
}

func (a Address) String() string {
	switch a.Network {
	case "unix":
		return "unix:" + a.Host
	case "udp":
		return "udp:" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// A Set is the sockets of a process. Its methods may be called from any
// goroutine.
type Set struct {
	// UnixMode is the mode of unix sockets that are made from now on; 0: 0660.
	// Set it before the first Open.
	UnixMode fs.FileMode

	// Keeper gets a copy of every socket that is bound; nil: nobody does. Set it
	// before the first Open.
	Keeper Keeper

	log zerolog.Logger

	mu        sync.Mutex // guards the rest, held while a socket is bound
	sockets   map[Address]*Socket
	leaving   map[*Socket]struct{} // being drained and closed
	inherited []inherited
}

// New makes an empty set.
func New(log zerolog.Logger) *Set {
	return &Set{log: log, sockets: map[Address]*Socket{}, leaving: map[*Socket]struct{}{}}
}

// Open returns the socket of a, binding it if the set has none. Every Open is
// undone by one Close of the socket, and the last Close closes it: so a
// generation opens all its addresses and closes those of the one before, or on
// failure its own, and addresses that both have are never closed.
//
// An address that overlaps with one of the set (127.0.0.1:3001 and :3001) is
// bound beside it. Until the new socket is served, clients that it catches in
// the old one's place are handed to the old one's handler.
func (s *Set) Open(a Address) (*Socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.sockets[a]; k != nil {
		k.refs++
		return k, nil
	}
	in, err := s.adopt(a), error(nil)
	var heir *Socket
	if in.ln == nil {
		s.awaitLeaving(a)
		in.ln, heir, err = s.bind(a)
	}
	if err != nil {
		return nil, err
	}
	k := s.newSocket(a, in)
	s.sockets[a] = k
	if heir != nil && a.Network == "tcp" {
		k.SetHandler(heir.handle)
		go k.Serve(nil)
	}
	return k, nil
}

// newSocket makes a socket of what was bound or inherited, and has it kept.
func (s *Set) newSocket(a Address, in inherited) *Socket {
	k := &Socket{set: s, addr: a, ln: in.ln, refs: 1, leave: make(chan struct{}), done: make(chan struct{})}
	if a.Network == "unix" {
		k.inode = inodeOf(a.Host)
	}
	keepFile(k.ln)
	s.keep(k, in.name)
	return k
}

// awaitLeaving waits until sockets that were given up and are in a's way are
// closed; see Socket.Close for how long that takes.
func (s *Set) awaitLeaving(a Address) {
	for k := range s.leaving {
		if k.addr == a || a.Port != 0 && k.addr.Network == a.Network && k.Port() == a.Port {
			<-k.done
		}
	}
}

// bind makes a new socket. heir is the socket of the set whose clients it
// catches, nil if there is none.
func (s *Set) bind(a Address) (ln net.Listener, heir *Socket, err error) {
	switch a.Network {
	case "unix":
		ln, err = listenUnix(a.Host, s.UnixMode)
		return ln, nil, err
	case "tcp", "udp":
		ln, err = listenIP(a, false)
		if err == nil || !errors.Is(err, errInUse) {
			return ln, nil, explain(a, err)
		}
		return s.bindBeside(a, err)
	}
	return nil, nil, fmt.Errorf("listen on %s: unknown network %q", a, a.Network)
}

// bindBeside binds a although sockets of the set overlap with it: they allow
// it to share the port, which the kernel lets them do late.
func (s *Set) bindBeside(a Address, inUse error) (ln net.Listener, heir *Socket, err error) {
	var old []net.Listener
	for _, k := range s.sockets {
		if k.addr.Network == a.Network && k.Port() == a.Port {
			old = append(old, k.ln)
			if catches(a.Host, k.addr.Host) {
				heir = k
			}
		}
	}
	for _, in := range s.inherited { // of an address that the config had before
		if in.ln.Addr().Network() == a.Network && portOf(in.ln) == a.Port {
			old = append(old, in.ln)
		}
	}
	if len(old) == 0 {
		return nil, nil, explain(a, inUse)
	}
	for _, o := range old {
		if err := setReusePort(o, true); err != nil {
			return nil, nil, fmt.Errorf("listen on %s beside %s: %w", a, o.Addr(), err)
		}
	}
	ln, err = listenIP(a, true)
	for _, o := range old {
		_ = setReusePort(o, false) // it is open; nobody else shall share the port
	}
	if err != nil {
		return nil, nil, explain(a, err)
	}
	_ = setReusePort(ln, false)
	return ln, heir, nil
}

// catches reports whether a socket bound to host gets connections that one
// bound to the wildcard other got before. The kernel prefers the more specific
// one, and among wildcards that of IPv4 alone.
func catches(host, other string) bool {
	return rank(host) > rank(other) && rank(other) < 2
}

func rank(host string) int {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return 0
	case err == nil && ip.IsUnspecified():
		return 1
	}
	return 2
}

// forget takes k off the list, so that nobody gets it any more.
func (s *Set) forget(k *Socket) {
	if s.sockets[k.addr] == k {
		delete(s.sockets, k.addr)
		s.leaving[k] = struct{}{}
	}
}

// All returns the open sockets.
func (s *Set) All() []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Socket, 0, len(s.sockets))
	for _, k := range s.sockets {
		all = append(all, k)
	}
	return all
}

// Close closes all sockets, however often they were opened, at the same time.
func (s *Set) Close() error {
	var wg sync.WaitGroup
	for _, k := range s.All() {
		wg.Go(func() {
			s.mu.Lock()
			s.forget(k)
			s.mu.Unlock()
			_ = k.shut(true)
		})
	}
	wg.Wait()
	s.CloseInherited()
	return nil
}
