package relay

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/nowait"
)

// An up is a TCP connection to a server. A relay uses its descriptor; Go's poller
// learns of it when somebody reads from it, or has to wait for it, by himself.
type up struct {
	to netip.AddrPort

	mu   sync.Mutex // held while the descriptor is used; guards the rest
	fd   int        // -1: closed
	file *os.File   // which owns fd; nil: the poller does not know it
}

// Control runs f on the descriptor, which stays open meanwhile.
func (u *up) Control(f func(fd uintptr)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(u.fd))
	return nil
}

// polled is what can wait.
func (u *up) polled() (*os.File, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fd < 0 {
		return nil, net.ErrClosed
	}
	if u.file == nil {
		u.file = os.NewFile(uintptr(u.fd), "tcp:"+u.to.String())
	}
	return u.file, nil
}

// Read implements net.Conn.
func (u *up) Read(b []byte) (int, error) {
	f, err := u.polled()
	if err != nil {
		return 0, err
	}
	return f.Read(b)
}

// Write implements net.Conn. What the socket has room for needs no poller.
func (u *up) Write(b []byte) (n int, err error) {
	cerr := u.Control(func(fd uintptr) {
		if u.file == nil {
			n, err = nowait.Write(int(fd), b, false)
		}
	})
	if cerr != nil || n == len(b) {
		return n, cerr
	}
	if err != nil && err != unix.EAGAIN { //nolint:errorlint // as the kernel says it
		return n, os.NewSyscallError("write", err)
	}
	f, err := u.polled()
	if err != nil {
		return n, err
	}
	m, err := f.Write(b[n:])
	return n + m, err
}

// Close implements net.Conn.
func (u *up) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	fd, f := u.fd, u.file
	u.fd, u.file = -1, nil
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

// CloseWrite ends the stream to the server; reading goes on.
func (u *up) CloseWrite() error { return u.Control(func(fd uintptr) { endWrites(int(fd)) }) }

// SetLinger is as that of a net.TCPConn.
func (u *up) SetLinger(seconds int) (err error) {
	cerr := u.Control(func(fd uintptr) {
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

// keepAlive has the kernel ask now and then whether the server is still there.
func (u *up) keepAlive() {
	_ = u.Control(func(fd uintptr) {
		for _, o := range [][3]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
		} {
			_ = unix.SetsockoptInt(int(fd), o[0], o[1], o[2])
		}
	})
}

// LocalAddr implements net.Conn.
func (u *up) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(u.local()) }

// RemoteAddr implements net.Conn.
func (u *up) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(u.to) }

// SetDeadline implements net.Conn.
func (u *up) SetDeadline(t time.Time) error {
	f, err := u.polled()
	if err != nil {
		return err
	}
	return f.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (u *up) SetReadDeadline(t time.Time) error {
	f, err := u.polled()
	if err != nil {
		return err
	}
	return f.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (u *up) SetWriteDeadline(t time.Time) error {
	f, err := u.polled()
	if err != nil {
		return err
	}
	return f.SetWriteDeadline(t)
}
