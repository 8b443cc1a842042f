//go:build amd64 || arm64

package nowait

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads from a socket; 0 bytes and no error are the end of the stream.
func Read(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), nil
		} else if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Write writes to a socket what it takes now. more: the kernel may keep a packet
// that is not full for what follows at once.
func Write(fd int, b []byte, more bool) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags(more), 0, 0)
		if errno == 0 {
			return int(n), nil
		} else if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Writev is Write of several pieces, MaxVector at most: what is beyond is not written.
func Writev(fd int, bufs [][]byte, more bool) (int, error) {
	var iov [MaxVector]unix.Iovec
	k := 0
	for _, b := range bufs[:min(len(bufs), MaxVector)] {
		if len(b) > 0 {
			iov[k].Base = &b[0]
			iov[k].SetLen(len(b))
			k++
		}
	}
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(k)
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), flags(more))
		runtime.KeepAlive(bufs)
		if errno == 0 {
			return int(n), nil
		} else if errno != unix.EINTR {
			return 0, errno
		}
	}
}

func flags(more bool) uintptr {
	if more {
		return unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL | unix.MSG_MORE
	}
	return unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
}
