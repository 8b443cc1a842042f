package tcp

import (
	"net"

	"golang.org/x/sys/unix"
)

// kernelBytes is how many bytes came over a TCP connection plus how many its
// peer has acknowledged; false where the kernel does not tell.
func kernelBytes(c net.Conn) (n int64, ok bool) {
	t, isTCP := c.(*net.TCPConn)
	if !isTCP {
		return 0, false
	}
	rc, err := t.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = rc.Control(func(fd uintptr) { // fails only when closed
		if ti, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n, ok = int64(ti.Bytes_received+ti.Bytes_acked), true
		}
	})
	return n, ok
}
