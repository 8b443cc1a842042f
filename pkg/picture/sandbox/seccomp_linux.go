//go:build amd64 || arm64

package sandbox

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allowed are the system calls of a Go program that reads and writes what is
// open already, has threads and memory, and nothing else.
var allowed = [...]uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_FSTAT,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRANDOM, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// Where seccomp_data has its fields (linux/seccomp.h); arguments are 64 bits, of
// which a little-endian machine has the low half first.
const (
	offNr   = 0
	offArch = 4
	offArg0 = 16
	offArg2 = 32
)

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func load(off uint32) unix.SockFilter { return stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off) }

func ret(action uint32) unix.SockFilter { return stmt(unix.BPF_RET|unix.BPF_K, action) }

// unless skips n instructions where the loaded word is not k.
func unless(k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: n, K: k}
}

// whereSet skips n instructions where the loaded word has none of bits.
func whereSet(bits uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: n, K: bits}
}

// filter is the program. What it does not allow fails with EPERM rather than
// killing: the Go runtime goes on without what it is refused.
func filter() []unix.SockFilter {
	const (
		allow = unix.SECCOMP_RET_ALLOW
		deny  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		nosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	p := []unix.SockFilter{
		load(offArch), unless(auditArch, 1), stmt(unix.BPF_JMP|unix.BPF_JA, 1), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offNr),
	}
	for _, nr := range allowed {
		p = append(p, unless(nr, 1), ret(allow))
	}
	return append(p,
		// C libraries fall back to clone, whose flags can be looked at.
		unless(unix.SYS_CLONE3, 1), ret(nosys),
		// Threads, not processes.
		unless(unix.SYS_CLONE, 4), load(offArg0), whereSet(unix.CLONE_THREAD, 1), ret(allow), ret(deny),
		// The encoders of JPEG and AVIF are WebAssembly that is compiled here: its
		// code is written into new memory, which then is made executable and can be
		// written no more. No memory is both, and none begins as code.
		unless(unix.SYS_MMAP, 4), load(offArg2), whereSet(unix.PROT_EXEC, 1), ret(deny), ret(allow),
		unless(unix.SYS_MPROTECT, 5), load(offArg2), whereSet(unix.PROT_EXEC, 2), whereSet(unix.PROT_WRITE, 1), ret(deny), ret(allow),
		// The runtime names its memory.
		unless(unix.SYS_PRCTL, 4), load(offArg0), unless(unix.PR_SET_VMA, 1), ret(allow), ret(deny),
		// Its scheduler interrupts its own threads.
		unless(unix.SYS_TGKILL, 4), load(offArg0), unless(uint32(os.Getpid()), 1), ret(allow), ret(deny),
		ret(deny),
	)
}

func seccomp() error {
	p := filter()
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}
