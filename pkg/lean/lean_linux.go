package lean

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/nowait"
)

// A Conn is a TCP connection. The first call that has to wait, or that sets a
// deadline, has Go's poller learn of it, for good. Its methods may be called from any
// goroutine.
type Conn struct {
	remote net.Addr

	mu   sync.Mutex // held while the descriptor is used; guards the rest
	fd   int32      // -1: closed
	file *os.File   // which owns fd; nil: the poller does not know it
}

// New makes a connection of a descriptor that does not block, and owns it.
func New(fd int, remote net.Addr) *Conn { return &Conn{fd: int32(fd), remote: remote} }

// Of makes a connection of c, which is closed then; where that fails c stays as it is.
// Nobody may be waiting for c. Deadlines are not taken over.
func Of(c *net.TCPConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	switch {
	case cerr != nil:
		return nil, cerr
	case err != nil:
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := New(fd, c.RemoteAddr())
	_ = c.Close() // what is left is ours
	return l, nil
}

// Control runs f on the descriptor, which stays open meanwhile. f must not wait.
func (c *Conn) Control(f func(fd uintptr)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(c.fd))
	return nil
}

// polled is what can wait.
func (c *Conn) polled() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil, net.ErrClosed
	}
	if c.file == nil {
		c.file = os.NewFile(uintptr(c.fd), "tcp")
	}
	return c.file, nil
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	f, err := c.polled()
	if err != nil {
		return 0, err
	}
	return f.Read(b)
}

// Write implements net.Conn. What the socket has room for needs no poller.
func (c *Conn) Write(b []byte) (n int, err error) {
	cerr := c.Control(func(fd uintptr) {
		if c.file == nil { // else there may be a deadline
			n, err = nowait.Write(int(fd), b, false)
		}
	})
	if cerr != nil || n == len(b) {
		return n, cerr
	}
	if err != nil && err != unix.EAGAIN { //nolint:errorlint // as the kernel says it
		return n, os.NewSyscallError("write", err)
	}
	f, err := c.polled()
	if err != nil {
		return n, err
	}
	m, err := f.Write(b[n:])
	return n + m, err
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd, f := c.fd, c.file
	c.fd, c.file = -1, nil
	switch {
	case fd < 0:
		return net.ErrClosed
	case f != nil:
		return f.Close()
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return os.NewSyscallError("close", errno)
	}
	return nil
}

// CloseWrite ends the stream to the peer; reading goes on.
func (c *Conn) CloseWrite() (err error) {
	cerr := c.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	if cerr != nil {
		return cerr
	}
	return os.NewSyscallError("shutdown", err)
}

// SetLinger is as that of a net.TCPConn.
func (c *Conn) SetLinger(seconds int) (err error) {
	cerr := c.Control(func(fd uintptr) {
		l := unix.Linger{Linger: int32(seconds)}
		if seconds >= 0 {
			l.Onoff = 1
		}
		err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &l)
	})
	if cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.Local()) }

// Local is the local address; the zero one of a closed connection.
func (c *Conn) Local() (at netip.AddrPort) {
	_ = c.Control(func(fd uintptr) {
		var sa Sockaddr
		size := uint32(len(sa))
		if _, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno == 0 {
			at = sa.AddrPort()
		}
	})
	return at
}

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.deadline(t, (*os.File).SetDeadline) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline(t, (*os.File).SetReadDeadline) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.deadline(t, (*os.File).SetWriteDeadline)
}

// deadline sets one. That there is none needs no poller that knows none.
func (c *Conn) deadline(t time.Time, set func(*os.File, time.Time) error) error {
	if t.IsZero() {
		none := false
		if err := c.Control(func(uintptr) { none = c.file == nil }); err != nil || none {
			return err
		}
	}
	f, err := c.polled()
	if err != nil {
		return err
	}
	return set(f, t)
}

// SyscallConn implements syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

type rawConn struct{ *Conn }

// Read implements syscall.RawConn.
func (r rawConn) Read(f func(fd uintptr) (done bool)) error {
	return r.try(f, syscall.RawConn.Read)
}

// Write implements syscall.RawConn.
func (r rawConn) Write(f func(fd uintptr) (done bool)) error {
	return r.try(f, syscall.RawConn.Write)
}

// try calls f at once, and where that is not enough when the poller says so.
func (r rawConn) try(f func(uintptr) bool, wait func(syscall.RawConn, func(uintptr) bool) error) error {
	done := false
	err := r.Control(func(fd uintptr) {
		if r.file == nil {
			done = f(fd)
		}
	})
	if done || err != nil {
		return err
	}
	file, err := r.polled()
	if err != nil {
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	return wait(raw, f)
}
