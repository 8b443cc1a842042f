package picture

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes put a worker into a group of its own, out of the terminal's reach,
// and have the kernel kill it when the daemon ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// widen makes a pipe hold more than 64 KiB, for fewer changes between daemon
// and worker. Where that is refused the pipe works all the same.
func widen(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
