//go:build amd64 || arm64

package chat

import (
	"syscall"
	"unsafe"
)

// send and receive are system calls on a socket that do not wait for the peer
// (though on loopback the kernel does his part of receiving within a send). Go's
// scheduler is not told of them, as it is not of any other piece of code that takes
// some microseconds: that would be a tenth of what a message to a large group costs.

func send(fd int, b []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func receive(fd int, b []byte) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, b, syscall.MSG_DONTWAIT)
}

func transfer(call uintptr, fd int, b []byte, flags uintptr) (int, error) {
	n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// writable returns 1 where at least a third of what the socket may keep is free.
func writable(fd int, _ []byte) (int, error) {
	p := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollOut}
	var now syscall.Timespec
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

const pollOut = 0x4 // of poll(2)
