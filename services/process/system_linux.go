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
