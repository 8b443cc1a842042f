package proxy

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// silent reports whether a connection is open and has said nothing, which is how
// one that waits for a request must be: what it said would be taken for the
// answer to the next one.
func silent(raw syscall.RawConn) bool {
	if raw == nil {
		return false
	}
	said := 1
	err := raw.Control(func(fd uintptr) {
		for asked := false; !asked; {
			var err error
			said, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			asked = !errors.Is(err, unix.EINTR)
		}
	})
	return err == nil && said == 0
}
