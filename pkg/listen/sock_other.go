//go:build !linux

package listen

import (
	"net"
	"syscall"
)

const keepAlive = 0 // net's default: on

func prepare(fd int, _, reuse bool) error {
	if reuse {
		return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEPORT, 1)
	}
	return nil
}

func setReusePort(ln net.Listener, on bool) error {
	rc, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	v := 0
	if on {
		v = 1
	}
	cerr := rc.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEPORT, v)
	})
	if cerr != nil {
		return cerr
	}
	return err
}

func divert(net.Listener) {}

func onlyIPv6(net.Listener) bool { return false }

func holderOf(Address) *Holder { return nil }

func holderOfUnix(net.Conn) *Holder { return nil }
