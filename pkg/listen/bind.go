package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// errInUse is the kernel's word for a port that somebody has.
const errInUse = syscall.EADDRINUSE

// packets is a socket of packets, kept by the code that keeps listeners. There is
// nothing to accept.
type packets struct{ *net.UDPConn }

func (p packets) Addr() net.Addr            { return p.LocalAddr() }
func (p packets) Accept() (net.Conn, error) { return nil, net.ErrClosed }

// listenIP binds a. reuse: beside sockets that allow it.
func listenIP(a Address, reuse bool) (net.Listener, error) {
	network := a.Network // IPv6 and IPv4 in one socket where the host is empty
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		network += "6"
		if ip.Is4() {
			network = a.Network + "4"
		}
	}
	lc := net.ListenConfig{
		KeepAlive: keepAlive,
		Control: func(_, _ string, rc syscall.RawConn) (err error) {
			cerr := rc.Control(func(fd uintptr) { err = prepare(int(fd), a.Network == "tcp", reuse) })
			return errors.Join(cerr, err)
		},
	}
	// Go's default is Multipath TCP, with which each new connection costs the kernel more.
	lc.SetMultipathTCP(false)
	where := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	if a.Network == "tcp" {
		return lc.Listen(context.Background(), network, where)
	}
	pc, err := lc.ListenPacket(context.Background(), network, where)
	if err != nil {
		return nil, err
	}
	return packets{pc.(*net.UDPConn)}, nil
}

// explain words an error of bind for people: the address, the cause, the remedy.
func explain(a Address, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return &InUseError{Address: a, Holder: holderOf(a), err: err}
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in the unit): %w", a, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this machine has no such address: %w", a, err)
	}
	return fmt.Errorf("listen on %s: %w", a, err)
}

// An InUseError says that somebody has the address.
type InUseError struct {
	Address Address
	Holder  *Holder // nil: not to be seen
	err     error
}

// A Holder is the process that has an address.
type Holder struct {
	PID  int
	Name string // of the command, as ps shows it
}

func (h Holder) String() string { return fmt.Sprintf("%s (pid %d)", h.Name, h.PID) }

func (e *InUseError) Error() string {
	who := "another process"
	if e.Holder != nil {
		who = e.Holder.String()
	}
	return fmt.Sprintf("listen on %s: the address is in use by %s; stop it or choose another address", e.Address, who)
}

func (e *InUseError) Unwrap() error { return e.err }

const (
	defaultUnixMode = 0o660
	probeTimeout    = time.Second
)

// listenUnix binds path with mode. A file that is there is removed only if it is
// a socket and nobody answers on it.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if mode == 0 {
		mode = defaultUnixMode
	}
	if err := vacate(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		// The file is made with the socket's mode less the umask: never, not
		// for a moment, is it open to more than it should be.
		return rc.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	return ln, nil
}

// vacate makes sure that there is nothing at path, or returns whose it is.
func vacate(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on unix:%s: %w", path, err)
	case fi.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on unix:%s: there is a file that is not a socket; remove it or choose another path", path)
	}
	nc, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		defer nc.Close()
		return &InUseError{Address: Address{Network: "unix", Host: path}, Holder: holderOfUnix(nc), err: errInUse}
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		_ = os.Remove(path) // left behind by a process that is gone; bind says if not
		return nil
	}
	return fmt.Errorf("listen on unix:%s: cannot tell whether the socket there is in use: %w", path, err)
}

// inodeOf is the inode of a file; 0 if there is none.
func inodeOf(path string) uint64 {
	if fi, err := os.Lstat(path); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			return st.Ino
		}
	}
	return 0
}
