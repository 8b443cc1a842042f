package ambient

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Renounce keeps what this thread starts from inheriting rights: with CAP_SETUID
// a program could become root. Who is root hands on everything all the same.
//
// The caller has locked its goroutine to the thread and never unlocks it, so that
// the thread ends with the goroutine: what another one would start from it later
// would lack the rights.
func Renounce() error {
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) { // before Linux 4.3 nothing is inherited
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}
