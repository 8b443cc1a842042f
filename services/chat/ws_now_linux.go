package chat

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// writable returns 1 where at least a third of what the socket may keep is free. As
// for what pkg/nowait does, Go's scheduler is not told.
func writable(fd int, _ []byte) (int, error) {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
