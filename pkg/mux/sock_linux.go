package mux

import (
	"net"

	"golang.org/x/sys/unix"
)

// control runs f on the descriptor of s without taking it out of Go's hands.
func control(s sock, f func(fd int)) {
	if rc, err := s.SyscallConn(); err == nil {
		_ = rc.Control(func(fd uintptr) { f(int(fd)) }) // fails only when closed
	}
}

// tcpBytes asks the kernel how much came, was acknowledged, and was written: that
// has some which is to be sent yet.
func tcpBytes(s sock) (n volume) {
	control(s, func(fd int) {
		if ti, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n.in, n.out = int64(ti.Bytes_received), int64(ti.Bytes_acked)
			n.written = max(n.out, int64(ti.Bytes_sent-ti.Bytes_retrans)+int64(ti.Notsent_bytes))
		}
	})
	return n
}

// sent is a number that changes when the peer takes data and, while no write
// succeeds, not otherwise.
func sent(s sock) (n int64) {
	if _, ok := s.(*net.UnixConn); !ok {
		return tcpBytes(s).out
	}
	control(s, func(fd int) {
		if q, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
			n = int64(q)
		}
	})
	return n
}

// readable reports how many bytes wait to be read.
func readable(s sock) (n int) {
	control(s, func(fd int) {
		if q, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil {
			n = q
		}
	})
	return n
}

// hungUp reports whether the peer has ended its stream.
func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}
