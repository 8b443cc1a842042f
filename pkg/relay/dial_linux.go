package relay

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/lean"
)

// Dial connects over TCP, within a time; 0: as long as ctx lasts. What net.Dial does is more than half as much
// again as the kernel's part of it: three addresses are asked for, and Go's poller is
// told of a socket that only a loop will look at.
func Dial(ctx context.Context, to netip.AddrPort, within time.Duration) (net.Conn, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if to.Addr().Zone() != "" || to.Addr().IsUnspecified() { // net knows what is meant
		d := net.Dialer{KeepAlive: -1, Timeout: within}
		return d.DialContext(ctx, "tcp", to.String())
	}
	u, err := open(ctx, to, within)
	if err == nil {
		return u, nil
	}
	if u != nil {
		_ = u.Close()
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// open connects. What it returns beside an error is to be closed, unless it is nil.
func open(ctx context.Context, to netip.AddrPort, within time.Duration) (*lean.Conn, error) {
	sa, family, size := lean.SockaddrOf(to)
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("socket", errno)
	}
	u := lean.New(int(fd), net.TCPAddrFromAddrPort(to))
	on := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
	_, _, errno = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&sa)), size)
	switch errno {
	case 0, unix.EINPROGRESS, unix.EINTR:
	default:
		return u, os.NewSyscallError("connect", errno)
	}
	if _, well := settled(int(fd)); !well {
		if err := await(ctx, u, within); err != nil {
			return u, err
		}
	}
	// The kernel may connect a socket to itself, where nobody listens on a port that it
	// then gives to the socket.
	if u.Local() == to {
		return u, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return u, nil
}

// settled says how it stands with a connect: done, and well. Servers on the same
// machine have answered at once.
func settled(fd int) (done, well bool) {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	var now unix.Timespec
	n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n == 1, n == 1 && p.Revents == unix.POLLOUT
}

// await waits until u is connected.
func await(ctx context.Context, u *lean.Conn, within time.Duration) error {
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	if within > 0 {
		if err := u.SetWriteDeadline(time.Now().Add(within)); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = u.SetWriteDeadline(time.Unix(1, 0)) })()
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		if done, _ := settled(int(fd)); !done {
			return false
		}
		v, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && v != 0 {
			err = syscall.Errno(v)
		}
		failed = os.NewSyscallError("connect", err)
		return true
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case failed != nil:
		return failed
	}
	return u.SetWriteDeadline(time.Time{})
}
