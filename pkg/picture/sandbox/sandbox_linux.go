//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Enter locks the process. It cannot be undone, and there is no way to fail: what
// could not be done is in the report. What is open stays open.
func Enter(l Limits) Report {
	var r Report
	// For the kernel the first to go when memory is short. Everybody may raise
	// their own score.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		r.miss("oom score", err)
	}
	r.limit(l)
	// Neither a core file with a stranger's picture in it, nor a debugger.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		r.miss("dumpable", err)
	}
	// Both want every thread. Without cgo the runtime can do that; with it
	// (the race detector) Landlock holds for this thread and those it starts.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		r.miss("landlock and seccomp: no_new_privs", err)
		return r
	}
	if v, err := landlock(); err != nil {
		r.miss("landlock", err)
	} else {
		r.Landlock = v
	}
	if err := seccomp(); err != nil {
		r.miss("seccomp", err)
	} else {
		r.Seccomp = true
	}
	return r
}

// limit sets the limits. systemd's "@resources" group, which the unit takes
// away, has them: EPERM then, and the caller has to look after itself.
func (r *Report) limit(l Limits) {
	r.Limits = true
	set := func(name string, which int, n uint64) {
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			r.miss(name, err)
			r.Limits = false
		}
	}
	set("core limit", unix.RLIMIT_CORE, 0)
	set("file size limit", unix.RLIMIT_FSIZE, 0)
	if l.Memory > 0 && !race {
		// Not RLIMIT_AS: Go reserves far more addresses than it ever uses.
		set("memory limit", unix.RLIMIT_DATA, uint64(l.Memory))
	}
	if l.CPU > 0 {
		set("cpu limit", unix.RLIMIT_CPU, uint64(l.CPU))
	}
	if l.Files > 0 {
		set("file limit", unix.RLIMIT_NOFILE, uint64(l.Files))
	}
	if l.Nice > 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, l.Nice); err != nil {
			r.miss("nice", err)
		}
	}
}

// allThreads makes a system call on every thread of the process, or on this one
// where the program is linked with C.
func allThreads(trap, a, b, c uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(trap, a, b, c)
	if errors.Is(errno, syscall.ENOTSUP) {
		_, _, errno = syscall.RawSyscall(trap, a, b, c)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// landlock forbids everything that Landlock knows of: the whole file system, TCP,
// signals and abstract sockets to others.
func landlock() (version int, err error) {
	v, _, errno := syscall.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: fsAccess(int(v))}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if v >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	if v >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size += unsafe.Sizeof(attr.Scoped)
	}
	fd, _, errno := syscall.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return 0, errno
	}
	defer unix.Close(int(fd))
	if err := allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); err != nil {
		return 0, fmt.Errorf("restrict: %w", err)
	}
	return int(v), nil
}

// fsAccess is every right over files that a version of Landlock knows.
func fsAccess(version int) uint64 {
	const first = 1<<13 - 1 // execute to make-symlink, version 1
	bits := uint64(first)
	if version >= 2 {
		bits |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		bits |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 5 {
		bits |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return bits
}
