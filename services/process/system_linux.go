package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes put a child into a group of its own, and have the kernel kill it
// when the thread that started it ends, which is when portico does.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitEnd waits until the child has ended and leaves it unreaped, so that its
// id still names its group and nobody else's.
func awaitEnd(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// reserve takes a free port of loopback with a socket that is bound and does not
// listen. The kernel gives the port to nobody who asks for any port, and to those
// who ask for this one if they set SO_REUSEADDR or SO_REUSEPORT, as nearly every
// server does (inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c).
func reserve() (port int, hold *os.File, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("make a socket: %w", err)
	}
	hold = os.NewFile(uintptr(fd), "reserved port")
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1)
		}
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	in4, ok := at.(*unix.SockaddrInet4)
	if err != nil || !ok {
		_ = hold.Close()
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}
	return in4.Port, hold, nil
}

// unaccepted is the number of connections that wait in the queue of a listening
// TCP socket: the kernel reports it there as tcpi_unacked (tcp_get_info in
// net/ipv4/tcp.c).
func unaccepted(listening *os.File) (n int, err error) {
	raw, err := listening.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("look at the socket: %w", err)
	}
	var info *unix.TCPInfo
	if cerr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); cerr != nil {
		return 0, fmt.Errorf("look at the socket: %w", cerr)
	}
	if err != nil {
		return 0, fmt.Errorf("look at the socket: %w", err)
	}
	return int(info.Unacked), nil
}
