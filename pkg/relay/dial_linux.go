package relay

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
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
	u, err := open(to)
	if err == nil {
		if _, well := settled(u.fd); !well {
			err = u.await(ctx, within)
		}
	}
	if err == nil && u.self() {
		err = os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	if err == nil {
		return u, nil
	}
	if u != nil {
		_ = u.Close()
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// A sockaddr is an address as the kernel has it: struct sockaddr_in or sockaddr_in6.
type sockaddr [unix.SizeofSockaddrInet6]byte

func sockaddrOf(a netip.AddrPort) (sa sockaddr, family, size uintptr) {
	binary.BigEndian.PutUint16(sa[2:], a.Port())
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET)
		ip := a.Addr().As4()
		copy(sa[4:], ip[:])
		return sa, unix.AF_INET, unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(sa[:], unix.AF_INET6)
	ip := a.Addr().As16()
	copy(sa[8:], ip[:])
	return sa, unix.AF_INET6, unix.SizeofSockaddrInet6
}

func (sa *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(sa[2:])
	if binary.NativeEndian.Uint16(sa[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(sa[4:])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(sa[8:])), port)
}

// open begins to connect.
func open(to netip.AddrPort) (*up, error) {
	sa, family, size := sockaddrOf(to)
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("socket", errno)
	}
	u := &up{to: to, fd: int(fd)}
	on := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
	_, _, errno = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&sa)), size)
	switch errno {
	case 0, unix.EINPROGRESS, unix.EINTR:
		return u, nil
	}
	return u, os.NewSyscallError("connect", errno)
}

// settled says how it stands with a connect: done, and well. Servers on the same
// machine have answered at once.
func settled(fd int) (done, well bool) {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	var now unix.Timespec
	n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n == 1, n == 1 && p.Revents == unix.POLLOUT
}

// await waits until it is.
func (u *up) await(ctx context.Context, within time.Duration) error {
	f, err := u.polled()
	if err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if within > 0 {
		if err := f.SetWriteDeadline(time.Now().Add(within)); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })()
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
	return f.SetWriteDeadline(time.Time{})
}

// self says that the kernel has connected the socket to itself, which it does where
// nobody listens on a port that it then gives to the socket.
func (u *up) self() bool { return u.local() == u.to }

func (u *up) local() (at netip.AddrPort) {
	_ = u.Control(func(fd uintptr) {
		var sa sockaddr
		size := uint32(len(sa))
		if _, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno == 0 {
			at = sa.addrPort()
		}
	})
	return at
}
