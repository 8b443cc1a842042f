package listen

import (
	"errors"
	"math"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// On Linux accepted sockets inherit keep-alive from the listening one. Set
// once there, it costs nothing for each connection.
const keepAlive = -1 // net's own: off

const (
	keepIdle     = 15 * time.Second
	keepInterval = 15 * time.Second
	keepCount    = 9
)

// prepare sets the options of a socket that is about to be bound.
func prepare(fd int, stream, reuse bool) error {
	if stream {
		if err := prepareStream(fd); err != nil {
			return err
		}
	}
	if reuse {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	return nil
}

func prepareStream(fd int) error {
	opts := []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepIdle.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepInterval.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepCount},
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// onSocket runs f on the descriptor of ln, which stays Go's.
func onSocket(ln net.Listener, f func(fd int) error) error {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(cerr, err)
}

func setReusePort(ln net.Listener, on bool) error {
	return onSocket(ln, func(fd int) error {
		v := 0
		if on {
			v = 1
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, v)
	})
}

// divert takes a TCP socket out of the kernel's search for new connections by
// binding it to an interface that does not exist. Handshakes that were begun
// with it are completed and come to its queue; all others find another socket
// or none. Where the kernel refuses (before Linux 5.7, without CAP_NET_RAW), a
// client that connects between the last accept and the close is reset. It
// cannot be undone without that right, so it is not for sockets that another
// process goes on with; see Release.
func divert(ln net.Listener) {
	if _, ok := ln.(*net.TCPListener); ok {
		_ = onSocket(ln, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, math.MaxInt32)
		})
	}
}

// onlyIPv6 reports whether an IPv6 socket takes no IPv4 connections.
func onlyIPv6(ln net.Listener) (only bool) {
	_ = onSocket(ln, func(fd int) error {
		v, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		only = v != 0
		return err
	})
	return only
}
