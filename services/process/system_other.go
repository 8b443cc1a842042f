//go:build !linux

package process

import (
	"os"
	"syscall"
)

// attributes put a child into a group of its own. Only Linux can tie its life to
// portico's.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitEnd leaves the waiting to os/exec.
func awaitEnd(int) error { return nil }

// reserve knows no way.
func reserve() (port int, hold *os.File, err error) { return 0, nil, nil }

// unaccepted is not known: whoever connects counts as accepted.
func unaccepted(*os.File) (int, error) { return 0, nil }
