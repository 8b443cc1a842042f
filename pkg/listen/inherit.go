package listen

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
)

// A Keeper holds copies of sockets for the next process: systemd's descriptor
// store. See Set.Inherit for how they come back.
type Keeper interface {
	// Keep takes a copy; the caller's descriptor stays the caller's.
	Keep(name string, rc syscall.RawConn) error
	// Drop closes the copies with that name before it returns. A name that is
	// not known is no error.
	Drop(name string) error
}

// inherited is a listening socket from whoever started the process.
type inherited struct {
	ln   net.Listener
	name string // the keeper's, or the file's; empty for a socket of our own
}

// Inherit takes over sockets from whoever started the process. Open adopts those
// that match its address. It closes the files, whose descriptors it copied, and
// skips with an error what is neither a listening stream socket nor one of UDP.
func (s *Set) Inherit(files ...*os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range files {
		ln, err := fileSocket(f)
		_ = f.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("inherit %s: %w", f.Name(), err), s.drop(f.Name()))
			continue
		}
		keepFile(ln)
		s.inherited = append(s.inherited, inherited{ln, f.Name()})
	}
	return errors.Join(errs...)
}

// fileSocket is the socket behind a file, which stays the caller's.
func fileSocket(f *os.File) (net.Listener, error) {
	ln, err := net.FileListener(f)
	if err == nil {
		return ln, nil
	}
	pc, perr := net.FilePacketConn(f)
	if perr != nil {
		return nil, err
	}
	if u, ok := pc.(*net.UDPConn); ok {
		return packets{u}, nil
	}
	_ = pc.Close()
	return nil, err
}

// keepFile stops net from removing the file of a unix socket: it may have
// become another one's. See Socket.unlink.
func keepFile(ln net.Listener) {
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
}

// CloseInherited closes the inherited sockets that no Open has adopted, the
// keeper's copies too, and returns their addresses. What waits in them goes to a
// socket of the set that would get it now, where there is one.
func (s *Set) CloseInherited() (left []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.inherited {
		left = append(left, in.ln.Addr().String())
		if err := s.drop(in.name); err != nil {
			s.log.Warn().Err(err).Msg("a socket that is not used any more stays open in the service manager")
		}
		heir := s.heirOf(in.ln)
		if heir == nil || !isKept(in.name) {
			_ = in.ln.Close()
			continue
		}
		k := &Socket{set: s, ln: in.ln, leave: make(chan struct{}), done: make(chan struct{})}
		k.SetHandler(heir.handle)
		go func() { _ = k.shut(true) }()
	}
	s.inherited = nil
	return left
}

// heirOf finds the socket that clients of ln reach when ln is closed, wherever
// they connected to; nil: some would reach none.
func (s *Set) heirOf(ln net.Listener) *Socket {
	t, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	for _, k := range s.sockets {
		if k.Port() != t.Port {
			continue
		}
		host, err := netip.ParseAddr(k.addr.Host)
		if err != nil || host.IsUnspecified() && host.Is4() == (t.IP.To4() != nil) {
			return k
		}
	}
	return nil
}

// adopt finds an inherited socket for a; its zero value, if there is none.
func (s *Set) adopt(a Address) inherited {
	for i, in := range s.inherited {
		if in.name == keepName(a) && a.Port == 0 && a.Network != "unix" || matches(a, in.ln) {
			s.inherited = slices.Delete(s.inherited, i, i+1)
			return in
		}
	}
	return inherited{}
}

// matches reports whether ln is what Open(a) would bind.
func matches(a Address, ln net.Listener) bool {
	switch b := ln.Addr().(type) {
	case *net.UnixAddr:
		return a.Network == "unix" && a.Host == b.Name && inodeOf(a.Host) != 0 // else nobody finds it
	case *net.TCPAddr:
		return a.Network == "tcp" && matchesIP(a, ln, b.AddrPort())
	case *net.UDPAddr:
		return a.Network == "udp" && matchesIP(a, ln, b.AddrPort())
	}
	return false
}

func matchesIP(a Address, ln net.Listener, b netip.AddrPort) bool {
	if a.Port != int(b.Port()) {
		return false
	}
	bound := b.Addr().Unmap()
	if bound == netip.IPv6Unspecified() {
		return a.Host == "" && !onlyIPv6(ln) || a.Host == "::" && onlyIPv6(ln)
	}
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip == bound
}

// keep gives a copy of k to the keeper. name is what k was inherited as. Without
// the copy everything works, but the next process has to bind anew.
func (s *Set) keep(k *Socket, name string) {
	switch {
	case isKept(name): // it has it still
		k.keptAs = name
		return
	case name != "":
		k.foreign = true
		return
	case s.Keeper == nil:
		return
	}
	rc, err := k.SyscallConn()
	if err == nil {
		err = s.Keeper.Keep(keepName(k.addr), rc)
	}
	if err != nil {
		s.log.Warn().Err(err).Stringer("address", k.addr).Msg("the socket will not outlive this process")
		return
	}
	k.keptAs = keepName(k.addr)
}

// unkeep makes the keeper close its copy of k.
func (s *Set) unkeep(k *Socket) {
	if err := s.drop(k.keptAs); err != nil {
		s.log.Warn().Err(err).Stringer("address", k.addr).Msg("the socket stays open in the service manager")
	}
}

func (s *Set) drop(name string) error {
	if s.Keeper == nil || name == "" {
		return nil
	}
	return s.Keeper.Drop(name)
}

// keptPrefix begins the names that the keeper knows our sockets by.
const keptPrefix = "listen-"

func isKept(name string) bool { return strings.HasPrefix(name, keptPrefix) }

// keepName is a's name for the keeper: for people what can be said in at most
// 128 plain characters, and for certainty a hash.
func keepName(a Address) string {
	text := a.Network + " " + a.String() + " " + a.Name
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("./[]-", r) {
			return r
		}
		return '_'
	}, a.Network+"-"+a.String())
	return fmt.Sprintf("%s%s-%016x", keptPrefix, plain[:min(len(plain), 128)], h.Sum64())
}
