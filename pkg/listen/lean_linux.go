package listen

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/lean"
)

// A leanAcceptor accepts connections that Go's poller does not know. It waits for
// them at a second descriptor of the socket: at that of a net.TCPListener nobody can
// wait without accepting.
type leanAcceptor struct {
	on   atomic.Bool
	file *os.File // owns the descriptor
	raw  syscall.RawConn
	try  func(fd uintptr) bool // of accept, made once

	// Of who accepts.
	conn net.Conn
	err  error
}

func newLeanAcceptor(ln net.Listener) (*leanAcceptor, error) {
	fd := -1
	err := onSocket(ln, func(old int) (err error) {
		// Accepted sockets inherit it; see sock_linux.go.
		if err = unix.SetsockoptInt(old, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
			fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a := &leanAcceptor{file: os.NewFile(uintptr(fd), "tcp")}
	a.try = a.once
	if a.raw, err = a.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	return a, nil
}

// accept returns the next connection; nil without an error: it was turned off.
func (a *leanAcceptor) accept() (net.Conn, error) {
	a.conn, a.err = nil, nil
	switch err := a.raw.Read(a.try); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil:
		return nil, net.ErrClosed
	}
	return a.conn, a.err
}

// once accepts what is there; false: nothing is. It does not wait, and Go's scheduler
// is not told; see pkg/nowait.
func (a *leanAcceptor) once(fd uintptr) bool {
	for a.on.Load() {
		var from lean.Sockaddr
		size := uint32(len(from))
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			a.conn = lean.New(int(n), net.TCPAddrFromAddrPort(from.AddrPort()))
		case unix.EAGAIN:
			return false
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			a.err = os.NewSyscallError("accept4", errno)
		}
		return true
	}
	return true
}

// wake ends an accept that waits, and all that come later.
func (a *leanAcceptor) wake() { _ = a.file.SetDeadline(time.Now()) }

func (a *leanAcceptor) close() { _ = a.file.Close() }
