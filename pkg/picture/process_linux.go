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

// renounce keeps what this thread starts from inheriting rights that systemd gave
// the daemon (AmbientCapabilities). Where there are none it fails, and needs not
// have been called.
func renounce() { _ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }

// widen makes a pipe hold more than 64 KiB, for fewer changes between daemon
// and worker. Where that is refused the pipe works all the same.
func widen(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
