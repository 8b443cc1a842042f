package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrLeased is matched by the error of Acquire where somebody else holds the
// lease.
var ErrLeased = errors.New("in use")

// A Lease is the sole right to something on disk. It ends with Release, and
// with the process, however that ends.
type Lease struct{ f *os.File }

// Acquire takes the lease that the file at path stands for, at once or not at
// all. The file is made where it is missing and stays afterwards; it holds the
// id of the process that has the lease. Two leases exclude each other within
// one process too. The folder must exist, on a file system with flock(2).
func Acquire(path string) (*Lease, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is %w by %s", path, ErrLeased, holder(f))
		}
		return nil, fmt.Errorf("lease %s: %w", path, err)
	}
	// The number is only for messages; a lease without it is as good.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lease{f}, nil
}

// Release gives the lease up. It must be called once.
func (l *Lease) Release() error {
	_ = l.f.Truncate(0)
	if err := l.f.Close(); err != nil { // the lock goes with the descriptor
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// Leased reports whether somebody has the lease that the file at path stands for,
// as far as this process may see. The file is not made.
func Leased(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // the lock that was tried goes with the descriptor
	return errors.Is(flockAs(f, syscall.LOCK_SH), syscall.EWOULDBLOCK)
}

func flock(f *os.File) error { return flockAs(f, syscall.LOCK_EX) }

// flockAs tries again when a signal got in between.
func flockAs(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	err = raw.Control(func(fd uintptr) {
		for {
			ferr = syscall.Flock(int(fd), how|syscall.LOCK_NB)
			if ferr != syscall.EINTR {
				return
			}
		}
	})
	return errors.Join(err, ferr)
}

// holder says who has the lease, as far as can be seen.
func holder(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	switch {
	case err != nil:
		return "another process"
	case pid == os.Getpid():
		return "another part of this process"
	}
	if comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm")); err == nil {
		return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(comm)))
	}
	return fmt.Sprintf("process %d", pid)
}
