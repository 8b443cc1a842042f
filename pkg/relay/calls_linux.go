package relay

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/lean"
)

// splice is for so much that the scheduler is told.
func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR { //nolint:errorlint // as the kernel says it
			return max(int(n), 0), err
		}
	}
}

// What follows does not wait, and Go's scheduler is not told of it; see pkg/nowait.

// arrived takes what epoll has to tell, without waiting for it.
func arrived(epoll int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 { // interrupted; it is asked again
		return 0
	}
	return int(n)
}

func register(epoll, op, fd int, events uint32, as int32) error {
	e := unix.EpollEvent{Events: events, Fd: as}
	if _, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func endWrites(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

// A descriptor is what a relay has of a socket, which stays open during Control.
type descriptor interface{ Control(func(fd uintptr)) error }

// descriptorOf is nil for what is no socket.
func descriptorOf(c net.Conn) descriptor {
	sc, ok := c.(syscall.Conn)
	switch s := c.(type) {
	case *lean.Conn:
		return s
	case *net.TCPConn, *net.UnixConn:
	default:
		ok = false
	}
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// kernelBytes is how many bytes came over a TCP connection plus how many its
// peer has acknowledged; 0 where the kernel does not tell.
func kernelBytes(c net.Conn) (n int64) {
	if _, ok := c.(*net.UnixConn); ok {
		return 0
	}
	d := descriptorOf(c)
	if d == nil {
		return 0
	}
	_ = d.Control(func(fd uintptr) { // fails only when closed
		if ti, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(ti.Bytes_received + ti.Bytes_acked)
		}
	})
	return n
}

// keepAlive has the kernel ask now and then whether the other side is still there:
// after 15 s, every 15 s, nine times.
func keepAlive(c net.Conn) {
	d := descriptorOf(c)
	if _, ok := c.(*net.UnixConn); ok || d == nil {
		return
	}
	_ = d.Control(func(fd uintptr) {
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
