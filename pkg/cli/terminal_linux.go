package cli

import "golang.org/x/sys/unix"

// keyPatience is how long a reader of keys waits before it looks whether it is
// still wanted.
const keyPatience = 100 // milliseconds

// waitInput reports whether there is something to read, or an end.
func (t *terminal) waitInput() bool {
	fds := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, keyPatience)
	return err == nil && n > 0
}
