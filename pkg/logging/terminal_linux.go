package logging

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal asks for the terminal's settings, which nothing else has.
func isTerminal(f *os.File) bool {
	rc, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var terr error
	err = rc.Control(func(fd uintptr) { _, terr = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	return err == nil && terr == nil
}
